//! `[hyperdrive.BINDING]`

use super::{Configurable, only_keys};
use crate::extract::Section;
use crate::model::{Hyperdrive, Worker};

/// There is nothing to set yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HyperdriveSettings {}

const KEYS: &[&str] = &[];

impl Configurable for Hyperdrive {
    type Settings = HyperdriveSettings;
    const TABLE: &'static str = "hyperdrive";
    const LIST: &'static str = "hyperdrive";

    fn read(table: &Section<'_>) -> HyperdriveSettings {
        only_keys(table, KEYS, "settings");
        HyperdriveSettings {}
    }

    fn all(worker: &mut Worker) -> &mut Vec<Self> {
        &mut worker.hyperdrive
    }

    fn binding(&self) -> &str {
        &self.binding
    }

    fn resource(&self) -> &str {
        &self.id
    }

    fn settings(&mut self) -> &mut HyperdriveSettings {
        &mut self.settings
    }
}
