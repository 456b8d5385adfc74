//! `[d1.BINDING]`

use super::{Configurable, only_keys};
use crate::extract::Section;
use crate::model::{D1Database, Worker};

/// There is nothing to set yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct D1Settings {}

const KEYS: &[&str] = &[];

impl Configurable for D1Database {
    type Settings = D1Settings;
    const TABLE: &'static str = "d1";
    const LIST: &'static str = "d1_databases";

    fn read(table: &Section<'_>) -> D1Settings {
        only_keys(table, KEYS, "settings");
        D1Settings {}
    }

    fn all(worker: &mut Worker) -> &mut Vec<Self> {
        &mut worker.d1_databases
    }

    fn binding(&self) -> &str {
        &self.binding
    }

    fn resource(&self) -> &str {
        &self.id
    }

    fn settings(&mut self) -> &mut D1Settings {
        &mut self.settings
    }
}
