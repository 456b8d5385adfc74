//! What becomes of objects and uploads with time, as rules say.

use rusqlite::Connection;
use selvedge_base::Millis;
use serde::{Deserialize, Serialize};

use super::events::{self, Action};
use super::locks::is_locked;
use super::moment::Moment;
use super::settings::Live;
use crate::list::behind;
use crate::rows::{KeyBytes, unsigned};
use crate::{Bucket, Result, StorageClass, garbage};

/// One rule, in the shape of Cloudflare's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleRule {
    pub id: String,
    pub enabled: bool,
    #[serde(default)]
    pub conditions: LifecycleScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_objects_transition: Option<Transition>,
    /// Cloudflare takes only an age here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_multipart_uploads_transition: Option<Transition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_class_transitions: Vec<ClassTransition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleScope {
    /// Of the keys it is for; empty for all.
    #[serde(default)]
    pub prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub condition: LifecycleCondition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassTransition {
    pub condition: LifecycleCondition,
    pub storage_class: StorageClass,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum LifecycleCondition {
    /// Seconds since it was written.
    #[serde(rename_all = "camelCase")]
    Age {
        max_age: u64,
    },
    Date {
        date: Moment,
    },
}

impl LifecycleCondition {
    /// When it comes true for what was written at `uploaded`.
    fn due(&self, uploaded: Millis) -> Millis {
        match self {
            Self::Age { max_age } => Millis(uploaded.0.saturating_add(max_age.saturating_mul(1000))),
            Self::Date { date } => date.at(),
        }
    }
}

/// What Cloudflare gives every new bucket: uploads that nobody completes are aborted after seven days.
pub(crate) fn default_rules() -> Vec<LifecycleRule> {
    let condition = LifecycleCondition::Age { max_age: 7 * 24 * 60 * 60 };
    vec![LifecycleRule {
        id: "Default Multipart Abort Rule".to_owned(),
        enabled: true,
        abort_multipart_uploads_transition: Some(Transition { condition }),
        ..LifecycleRule::default()
    }]
}

/// What is wrong with `rules`, if anything is.
pub(crate) fn validate(rules: &[LifecycleRule]) -> Result<(), String> {
    for (at, rule) in rules.iter().enumerate() {
        if rules[..at].iter().any(|other| other.id == rule.id) {
            return Err(format!("Two lifecycle rules have the id {:?}.", rule.id));
        }
        let abort = &rule.abort_multipart_uploads_transition;
        if rule.delete_objects_transition.is_none()
            && abort.is_none()
            && rule.storage_class_transitions.is_empty()
        {
            return Err(format!("The lifecycle rule {:?} does nothing.", rule.id));
        }
        if rule.storage_class_transitions.iter().any(|t| t.storage_class == StorageClass::Standard) {
            return Err("Objects can only be moved to InfrequentAccess by a lifecycle rule.".to_owned());
        }
    }
    Ok(())
}

/// What one pass over a bucket did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifecycleOutcome {
    pub deleted: u64,
    pub moved: u64,
    pub aborted: u64,
}

/// What is due for one object.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Delete,
    Move(StorageClass),
}

/// What the rules say of an object now. Deleting comes before moving.
fn due(rules: &[LifecycleRule], key: &str, uploaded: Millis, class: StorageClass, now: Millis) -> Due {
    let rules = || rules.iter().filter(|rule| rule.enabled && key.starts_with(&rule.conditions.prefix));
    if rules()
        .filter_map(|rule| rule.delete_objects_transition.as_ref())
        .any(|t| t.condition.due(uploaded) <= now)
    {
        return Due::Delete;
    }
    let moved = rules()
        .flat_map(|rule| &rule.storage_class_transitions)
        .find(|t| t.storage_class != class && t.condition.due(uploaded) <= now);
    moved.map_or(Due::Nothing, |t| Due::Move(t.storage_class))
}

/// When and by which rule the object goes: S3's `x-amz-expiration`.
pub(crate) fn expiration<'r>(
    rules: &'r [LifecycleRule],
    key: &str,
    uploaded: Millis,
) -> Option<(Millis, &'r str)> {
    let rules = rules.iter().filter(|rule| rule.enabled && key.starts_with(&rule.conditions.prefix));
    rules
        .filter_map(|rule| {
            Some((rule.delete_objects_transition.as_ref()?.condition.due(uploaded), rule.id.as_str()))
        })
        .min_by_key(|(at, _)| *at)
}

/// Rows looked at, and rows changed, in one go.
const SCAN: usize = 10_000;
const CHANGE: usize = 500;

impl Bucket {
    /// Does all that the lifecycle rules say is due. A lock keeps what it holds. Run every hour by the bucket
    /// itself.
    pub async fn apply_lifecycle(&self) -> Result<LifecycleOutcome> {
        let settings = self.inner.live.settings();
        let mut outcome = LifecycleOutcome::default();
        for rule in settings.lifecycle().iter().filter(|rule| rule.enabled) {
            if rule.delete_objects_transition.is_some() || !rule.storage_class_transitions.is_empty() {
                self.apply_to_objects(rule, &mut outcome).await?;
            }
            if let Some(abort) = &rule.abort_multipart_uploads_transition {
                outcome.aborted += self.apply_to_uploads(&rule.conditions.prefix, &abort.condition).await?;
            }
        }
        Ok(outcome)
    }

    async fn apply_to_objects(&self, rule: &LifecycleRule, outcome: &mut LifecycleOutcome) -> Result<()> {
        let mut place = rule.conditions.prefix.clone().into_bytes();
        loop {
            let (now, prefix, from) = (self.inner.clock.now(), rule.conditions.prefix.clone(), place.clone());
            let rules = vec![rule.clone()];
            let found =
                self.inner.database.read_long(move |c| scan(c, &rules, &prefix, &from, now)).await??;
            for keys in found.keys.chunks(CHANGE) {
                let (keys, live) = (keys.to_vec(), self.inner.live.clone());
                let done = self.write(move |c| {
                    live.require()?;
                    let mut done = LifecycleOutcome::default();
                    let mut garbage = false;
                    for key in &keys {
                        garbage |= change(c, &live, key, &mut done)?;
                    }
                    Ok((done, garbage))
                });
                let done = done.await?;
                outcome.deleted += done.deleted;
                outcome.moved += done.moved;
            }
            match found.next {
                Some(next) => place = next,
                None => return Ok(()),
            }
        }
    }

    async fn apply_to_uploads(&self, prefix: &str, condition: &LifecycleCondition) -> Result<u64> {
        let (prefix, condition) = (prefix.to_owned(), condition.clone());
        let live = self.inner.live.clone();
        self.write(move |c| {
            live.require()?;
            let now = live.now();
            let mut open =
                c.prepare_cached("SELECT id, key, content, created FROM uploads WHERE finished IS NULL")?;
            let mut rows = open.query([])?;
            let mut over = Vec::new();
            while let Some(row) = rows.next()? {
                let key = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
                if key.starts_with(&prefix) && condition.due(Millis(unsigned(row.get(3)?))) <= now {
                    over.push((row.get::<_, String>(0)?, row.get::<_, i64>(2)?));
                }
            }
            let mut garbage = false;
            for (id, content) in &over {
                garbage |= garbage::discard(c, *content)?;
                crate::multipart::finish(c, id, now)?;
            }
            Ok((over.len() as u64, garbage))
        })
        .await
    }
}

struct Scanned {
    keys: Vec<String>,
    next: Option<Vec<u8>>,
}

/// Keys from `place` on for which something is due, among the next [`SCAN`].
fn scan(c: &Connection, rules: &[LifecycleRule], prefix: &str, place: &[u8], now: Millis) -> Result<Scanned> {
    let mut statement =
        c.prepare_cached("SELECT key, uploaded, class FROM objects WHERE key >= ?1 ORDER BY key")?;
    let mut rows = statement.query([KeyBytes(place)])?;
    let end = behind(prefix);
    let mut keys = Vec::new();
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        if !prefix.is_empty() && key.as_bytes() >= end.as_slice() {
            break;
        }
        if looked == SCAN {
            return Ok(Scanned { keys, next: Some(key.as_bytes().to_vec()) });
        }
        looked += 1;
        if due(rules, key, Millis(unsigned(row.get(1)?)), row.get(2)?, now) != Due::Nothing {
            keys.push(key.to_owned());
        }
    }
    Ok(Scanned { keys, next: None })
}

/// Does what is due for `key` as it is now. True when that left files to remove.
fn change(c: &Connection, live: &Live, key: &str, done: &mut LifecycleOutcome) -> Result<bool> {
    let settings = live.settings();
    let now = live.now();
    let row = {
        let mut statement =
            c.prepare_cached("SELECT content, uploaded, class FROM objects WHERE key = ?1")?;
        let mut rows = statement.query([key])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        (row.get::<_, i64>(0)?, Millis(unsigned(row.get(1)?)), row.get::<_, StorageClass>(2)?)
    };
    let (content, uploaded, class) = row;
    match due(settings.lifecycle(), key, uploaded, class, now) {
        Due::Delete if !is_locked(settings.locks(), key, uploaded, now) => {
            c.prepare_cached("DELETE FROM objects WHERE key = ?1")?.execute([key])?;
            events::record(c, live, Action::LifecycleDeletion, key, None, None)?;
            done.deleted += 1;
            Ok(garbage::discard(c, content)?)
        }
        Due::Move(class) => {
            c.prepare_cached("UPDATE objects SET class = ?2 WHERE key = ?1")?.execute((key, class))?;
            done.moved += 1;
            Ok(false)
        }
        Due::Delete | Due::Nothing => Ok(false),
    }
}
