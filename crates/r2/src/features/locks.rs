//! Bucket locks: objects that cannot be deleted or overwritten.

use selvedge_base::Millis;
use serde::{Deserialize, Serialize};

use super::moment::Moment;

/// One rule, in the shape of Cloudflare's API. Several that apply to an object all hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRule {
    pub id: String,
    pub enabled: bool,
    /// Of the keys it is for; empty for all.
    #[serde(default)]
    pub prefix: String,
    pub condition: LockCondition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum LockCondition {
    /// For so long after it was written.
    #[serde(rename_all = "camelCase")]
    Age {
        max_age_seconds: u64,
    },
    Date {
        date: Moment,
    },
    Indefinite,
}

impl LockRule {
    fn holds(&self, key: &str, uploaded: Millis, now: Millis) -> bool {
        let until = match &self.condition {
            LockCondition::Age { max_age_seconds } => {
                uploaded.0.saturating_add(max_age_seconds.saturating_mul(1000))
            }
            LockCondition::Date { date } => date.at().0,
            LockCondition::Indefinite => u64::MAX,
        };
        self.enabled && key.starts_with(&self.prefix) && now.0 < until
    }
}

/// Whether the object `key`, written at `uploaded`, is locked.
pub(crate) fn is_locked(rules: &[LockRule], key: &str, uploaded: Millis, now: Millis) -> bool {
    rules.iter().any(|rule| rule.holds(key, uploaded, now))
}
