//! What a bucket is and how it behaves, as rows of `settings`, and in memory for those who ask all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use selvedge_base::{Millis, SharedClock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cors::{self, CorsRule};
use super::events::{self, NotificationRule};
use super::lifecycle::{self, LifecycleRule};
use super::locks::LockRule;
use crate::rows::text;
use crate::{Bucket, Error, Object, Result, StorageClass};

/// Rules of one kind that a bucket may have.
const RULES: usize = 1000;

/// What a bucket was created with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BucketOptions {
    /// Kept and given back: there is one location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Of objects that are put without one.
    pub class: StorageClass,
}

/// Who may read without credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicAccess {
    pub enabled: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) created: Millis,
    pub(crate) options: BucketOptions,
    public: PublicAccess,
    lifecycle: Vec<LifecycleRule>,
    locks: Vec<LockRule>,
    cors: Option<Vec<CorsRule>>,
    notifications: Vec<NotificationRule>,
}

impl Settings {
    pub(crate) fn load(c: &Connection) -> Result<Option<Self>> {
        let Some(created) = get(c, "created")? else { return Ok(None) };
        Ok(Some(Self {
            created: Millis(created),
            options: get(c, "bucket")?.unwrap_or_default(),
            public: get(c, "public")?.unwrap_or_default(),
            lifecycle: get(c, "lifecycle")?.unwrap_or_else(lifecycle::default_rules),
            locks: get(c, "locks")?.unwrap_or_default(),
            cors: get(c, "cors")?,
            notifications: get(c, "notifications")?.unwrap_or_default(),
        }))
    }

    /// Writes those of a new bucket.
    pub(crate) fn create(c: &Connection, now: Millis, options: &BucketOptions) -> Result<()> {
        set(c, "created", Some(&now.0))?;
        set(c, "bucket", Some(options))
    }

    pub(crate) fn lifecycle(&self) -> &[LifecycleRule] {
        &self.lifecycle
    }

    pub(crate) fn locks(&self) -> &[LockRule] {
        &self.locks
    }

    pub(crate) fn notifications(&self) -> &[NotificationRule] {
        &self.notifications
    }
}

fn get<T: DeserializeOwned>(c: &Connection, name: &str) -> Result<Option<T>> {
    let mut statement = c.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
    let mut rows = statement.query([name])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    crate::rows::maybe_json(row, 0, "a setting")
}

fn set<T: Serialize>(c: &Connection, name: &str, value: Option<&T>) -> Result<()> {
    match value {
        Some(value) => c
            .prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)")?
            .execute((name, text(value)?))?,
        None => c.prepare_cached("DELETE FROM settings WHERE name = ?1")?.execute([name])?,
    };
    Ok(())
}

/// What a write has to know of its bucket. Apart from the bucket itself, which a job of its writer must not
/// keep alive.
pub(crate) struct Live {
    name: String,
    clock: SharedClock,
    settings: RwLock<Arc<Settings>>,
    deleted: AtomicBool,
}

impl Live {
    pub(crate) fn new(name: String, clock: SharedClock, settings: Settings) -> Self {
        Self { name, clock, settings: RwLock::new(Arc::new(settings)), deleted: AtomicBool::new(false) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Refuses with [`Error::NoSuchBucket`] once the bucket has been deleted.
    pub(crate) fn require(&self) -> Result<()> {
        if self.deleted.load(Ordering::Acquire) { Err(Error::NoSuchBucket) } else { Ok(()) }
    }

    pub(crate) fn set_deleted(&self, deleted: bool) {
        self.deleted.store(deleted, Ordering::Release);
    }
}

impl Bucket {
    pub fn name(&self) -> &str {
        self.inner.live.name()
    }

    pub fn created(&self) -> Millis {
        self.inner.live.settings().created
    }

    pub fn options(&self) -> BucketOptions {
        self.inner.live.settings().options.clone()
    }

    /// Changes the class of objects that are put without one.
    pub async fn set_default_class(&self, class: StorageClass) -> Result<()> {
        let options = BucketOptions { class, ..self.options() };
        self.set("bucket", Some(options)).await
    }

    pub fn public_access(&self) -> PublicAccess {
        self.inner.live.settings().public
    }

    pub async fn set_public_access(&self, public: PublicAccess) -> Result<()> {
        self.set("public", Some(public)).await
    }

    /// Of a bucket that was never given any: Cloudflare's default.
    pub fn lifecycle(&self) -> Vec<LifecycleRule> {
        self.inner.live.settings().lifecycle.clone()
    }

    /// Replaces all rules. They hold for objects that are there already. `None` brings the default back.
    pub async fn set_lifecycle(&self, rules: Option<Vec<LifecycleRule>>) -> Result<()> {
        check(rules.as_deref().unwrap_or_default(), lifecycle::validate)?;
        self.set("lifecycle", rules).await
    }

    /// When and by which rule the object will be deleted.
    pub fn expiration(&self, object: &Object) -> Option<(Millis, String)> {
        let settings = self.inner.live.settings();
        let (at, rule) = lifecycle::expiration(&settings.lifecycle, &object.key, object.uploaded)?;
        Some((at, rule.to_owned()))
    }

    pub fn locks(&self) -> Vec<LockRule> {
        self.inner.live.settings().locks.clone()
    }

    /// Replaces all rules. They hold for objects that are there already.
    pub async fn set_locks(&self, rules: Vec<LockRule>) -> Result<()> {
        check(&rules, |_| Ok(()))?;
        self.set("locks", Some(rules)).await
    }

    /// `None` when none were ever given, or they were removed.
    pub fn cors(&self) -> Option<Vec<CorsRule>> {
        self.inner.live.settings().cors.clone()
    }

    pub async fn set_cors(&self, rules: Option<Vec<CorsRule>>) -> Result<()> {
        check(rules.as_deref().unwrap_or_default(), cors::validate)?;
        self.set("cors", rules).await
    }

    pub fn notification_rules(&self) -> Vec<NotificationRule> {
        self.inner.live.settings().notifications.clone()
    }

    /// Replaces all rules.
    pub async fn set_notification_rules(&self, rules: Vec<NotificationRule>) -> Result<()> {
        check(&rules, events::validate)?;
        self.set("notifications", Some(rules)).await
    }

    async fn set<T: Serialize + Send + 'static>(&self, name: &'static str, value: Option<T>) -> Result<()> {
        let live = self.inner.live.clone();
        self.write(move |c| {
            live.require()?;
            set(c, name, value.as_ref())?;
            Ok(((), false))
        })
        .await?;
        // Read back after the commit, and under the lock of those who do the same: the last one wins here as it
        // did there.
        let _turn = self.inner.settings_turn.lock().await;
        let settings = self.inner.database.read(Settings::load).await??;
        self.inner.live.replace(settings.ok_or(Error::Corrupt("the bucket's settings"))?);
        Ok(())
    }
}

fn check<R>(rules: &[R], validate: impl FnOnce(&[R]) -> Result<(), String>) -> Result<()> {
    if rules.len() > RULES {
        return Err(Error::InvalidArgument(format!("A bucket has up to {RULES} rules of a kind.")));
    }
    validate(rules).map_err(Error::InvalidArgument)
}
