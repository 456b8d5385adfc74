use selvedge_base::Millis;
use serde::{Deserialize, Serialize};

/// A date in a rule, which comes back as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    text: String,
    at: Millis,
}

impl Moment {
    pub fn at(&self) -> Millis {
        self.at
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Millis::parse_iso(&text) {
            Some(at) => Ok(Self { text, at }),
            None => Err(format!("{text:?} is not a date such as 2026-12-31 or 2026-12-31T00:00:00Z")),
        }
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.text
    }
}
