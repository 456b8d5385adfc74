//! Event notifications: what happened to which object, for whoever asked to know.
//!
//! Events are written to the bucket's own table in the transaction of the change, so that none is lost and none
//! tells of something that did not happen. The table has a bound: when nobody takes events, the oldest go.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::settings::Live;
use crate::rows::unsigned;
use crate::{Bucket, Result};

/// Events kept until somebody takes them.
const KEPT: i64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    PutObject,
    CopyObject,
    CompleteMultipartUpload,
    DeleteObject,
    LifecycleDeletion,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::DeleteObject => "DeleteObject",
            Self::LifecycleDeletion => "LifecycleDeletion",
        }
    }
}

/// Which events go where. In the shape of Cloudflare's API, with the queue beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRule {
    /// Whom the events are for.
    #[serde(default)]
    pub queue: String,
    pub actions: Vec<Action>,
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub suffix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl NotificationRule {
    fn wants(&self, action: Action, key: &str) -> bool {
        self.actions.contains(&action) && key.starts_with(&self.prefix) && key.ends_with(&self.suffix)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self, other);
        a.actions.iter().any(|action| b.actions.contains(action))
            && (a.prefix.starts_with(&b.prefix) || b.prefix.starts_with(&a.prefix))
            && (a.suffix.ends_with(&b.suffix) || b.suffix.ends_with(&a.suffix))
    }
}

/// What is wrong with `rules`, if anything is.
pub(crate) fn validate(rules: &[NotificationRule]) -> Result<(), String> {
    if rules.len() > 100 {
        return Err("A bucket has up to 100 event notification rules.".to_owned());
    }
    for (at, rule) in rules.iter().enumerate() {
        if rule.actions.is_empty() {
            return Err("An event notification rule needs at least one action.".to_owned());
        }
        if rules[..at].iter().any(|other| other.overlaps(rule)) {
            return Err("Two event notification rules would send the same event.".to_owned());
        }
    }
    Ok(())
}

/// What an event says of the object, as Cloudflare's queue message has it.
#[derive(Serialize)]
struct Message<'a> {
    account: &'static str,
    bucket: &'a str,
    object: ObjectFields<'a>,
    action: Action,
    #[serde(rename = "eventTime")]
    event_time: String,
    #[serde(rename = "copySource", skip_serializing_if = "Option::is_none")]
    copy_source: Option<&'a CopySource>,
}

#[derive(Serialize)]
struct ObjectFields<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CopySource {
    pub(crate) bucket: String,
    pub(crate) object: String,
}

/// Notes that `action` happened to `key`, if a rule wants to know. `written` is the new object's size and etag.
pub(crate) fn record(
    c: &Connection,
    live: &Live,
    action: Action,
    key: &str,
    written: Option<(u64, &str)>,
    copy_source: Option<&CopySource>,
) -> Result<()> {
    let settings = live.settings();
    let Some(rule) = settings.notifications().iter().find(|rule| rule.wants(action, key)) else {
        return Ok(());
    };
    let message = Message {
        account: "local",
        bucket: live.name(),
        object: ObjectFields { key, size: written.map(|w| w.0), etag: written.map(|w| w.1) },
        action,
        event_time: live.now().iso(),
        copy_source,
    };
    c.prepare_cached("INSERT INTO notifications (rule, event) VALUES (?1, ?2)")?
        .execute((&rule.queue, crate::rows::text(&message)?))?;
    c.prepare_cached("DELETE FROM notifications WHERE id <= ?1")?.execute([c.last_insert_rowid() - KEPT])?;
    Ok(())
}

/// An event that waits to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// One more than that of the event before: a gap says that events went because nobody took them.
    pub id: u64,
    /// Of the rule that asked for it.
    pub queue: String,
    /// JSON: `{account, bucket, object: {key, size?, eTag?}, action, eventTime, copySource?}`.
    pub message: String,
}

impl Bucket {
    /// The oldest events behind `after` that nobody has taken, up to `limit`.
    pub async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>> {
        let after = crate::rows::signed(after);
        let events = self.inner.database.read(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, rule, event FROM notifications WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            let event = |row: &rusqlite::Row<'_>| {
                Ok(Event { id: unsigned(row.get(0)?), queue: row.get(1)?, message: row.get(2)? })
            };
            statement.query_map((after, limit), event)?.collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(events.await??)
    }

    /// Forgets the events up to and including `id`: they have been taken.
    pub async fn forget_events(&self, id: u64) -> Result<()> {
        let id = crate::rows::signed(id);
        self.write(move |c| {
            c.prepare_cached("DELETE FROM notifications WHERE id <= ?1")?.execute([id])?;
            Ok(((), false))
        })
        .await
    }
}
