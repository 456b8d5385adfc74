//! `[r2.BINDING]`

use super::{Configurable, only_keys};
use crate::extract::Section;
use crate::model::{R2Bucket, Worker};

/// There is nothing to set yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct R2Settings {}

const KEYS: &[&str] = &[];

impl Configurable for R2Bucket {
    type Settings = R2Settings;
    const TABLE: &'static str = "r2";
    const LIST: &'static str = "r2_buckets";

    fn read(table: &Section<'_>) -> R2Settings {
        only_keys(table, KEYS, "settings");
        R2Settings {}
    }

    fn all(worker: &mut Worker) -> &mut Vec<Self> {
        &mut worker.r2_buckets
    }

    fn binding(&self) -> &str {
        &self.binding
    }

    fn resource(&self) -> &str {
        &self.bucket
    }

    fn settings(&mut self) -> &mut R2Settings {
        &mut self.settings
    }
}
