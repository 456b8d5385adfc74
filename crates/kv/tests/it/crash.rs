//! Random operations, stopped at every step of a durable write: what is on disk at that moment is opened again and
//! must be what was answered, with the operation that was under way either done or not.
//!
//! `SELVEDGE_KV_CRASH_CASES` says how many histories are tried.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use proptest::prelude::*;
use selvedge_base::{CrashWatch, ManualClock, watch_crash_points};
use selvedge_kv::{Limits, ListOptions, Namespace, Pair, PutOptions, Store};
use tempfile::TempDir;

use crate::{Lab, START, copy};

#[derive(Clone, Debug)]
enum Step {
    Put(Put),
    Delete(String),
    PutBulk(Vec<Put>),
    DeleteBulk(Vec<String>),
    Advance(u64),
    CleanUp,
    Reopen,
}

#[derive(Clone, Debug)]
struct Put {
    key: String,
    size: usize,
    ttl: Option<i64>,
    metadata: bool,
    streamed: bool,
}

/// Where to stop: at which of the moments that the operation passes, and how much of what it wrote to the log by
/// then is lost, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Stop {
    moment: i64,
    lost: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    value: Bytes,
    expires: Option<u64>,
    metadata: Option<String>,
}

type Model = BTreeMap<String, Held>;

fn keys() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "a/b", "é", "😀"]).prop_map(str::to_owned)
}

fn puts() -> impl Strategy<Value = Put> {
    let sizes = prop_oneof![5 => 0..300_usize, 2 => 65_535..65_540_usize, 1 => Just(300_000)];
    let ttl = prop::option::weighted(0.4, 60..200_i64);
    (keys(), sizes, ttl, any::<bool>(), any::<bool>()).prop_map(|(key, size, ttl, metadata, streamed)| Put {
        key,
        size,
        ttl,
        metadata,
        streamed,
    })
}

fn steps() -> impl Strategy<Value = (Step, Option<Stop>)> {
    let step = prop_oneof![
        8 => puts().prop_map(Step::Put),
        3 => keys().prop_map(Step::Delete),
        2 => prop::collection::vec(puts(), 1..8).prop_map(Step::PutBulk),
        1 => prop::collection::vec(keys(), 1..5).prop_map(Step::DeleteBulk),
        2 => (1..90_u64).prop_map(Step::Advance),
        3 => Just(Step::CleanUp),
        1 => Just(Step::Reopen),
    ];
    let stop = (0..9_i64, 0..=1000_usize).prop_map(|(moment, lost)| Stop { moment, lost });
    (step, prop::option::weighted(0.5, stop))
}

/// Takes a picture of the directory at one moment.
struct Camera {
    images: TempDir,
    shared: Arc<Shared>,
    _watch: CrashWatch,
}

#[derive(Default)]
struct Shared {
    /// Moments to let pass before the picture; negative when there is none to take.
    left: AtomicI64,
    taken: Mutex<Option<String>>,
    /// The log as it was before the commit that is under way.
    log: Mutex<Vec<u8>>,
}

impl Camera {
    fn new(directory: &Path) -> Self {
        let images = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared { left: AtomicI64::new(-1), ..Shared::default() });
        let watch = watch_crash_points(directory, {
            let (shared, from, to) = (Arc::clone(&shared), directory.to_owned(), images.path().join("image"));
            move |name| {
                if name == "sqlite-before-commit" {
                    let log = std::fs::read(from.join("test.sqlite-wal")).unwrap_or_default();
                    *shared.log.lock().unwrap_or_else(PoisonError::into_inner) = log;
                }
                if shared.left.fetch_sub(1, Ordering::SeqCst) == 0 {
                    copy(&from, &to);
                    *shared.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
                }
            }
        });
        Self { images, shared, _watch: watch }
    }

    fn arm(&self, stop: Option<Stop>) {
        self.shared.left.store(stop.map_or(-1, |stop| stop.moment), Ordering::SeqCst);
    }

    /// The name of the moment and the directory as it was then, when the moment came.
    fn image(&self, lost: usize) -> Option<(String, std::path::PathBuf)> {
        self.arm(None);
        let name = self.shared.taken.lock().unwrap().take()?;
        let image = self.images.path().join("image");
        if name == "sqlite-committed" {
            // The commit had not been answered: any part of it may be missing.
            let path = image.join("test.sqlite-wal");
            let (before, mut log) = (self.shared.log.lock().unwrap().clone(), std::fs::read(&path).unwrap());
            let kept = log.len() - log.len() * lost / 1000;
            let old = before.get(kept..).unwrap_or_default().iter().copied().chain(std::iter::repeat(0));
            let cut = log.len().min(before.len().max(kept));
            log.truncate(cut);
            log[kept.min(cut)..].iter_mut().zip(old).for_each(|(byte, old)| *byte = old);
            std::fs::write(&path, log).unwrap();
        }
        Some((name, image))
    }
}

/// Everything a reader can see.
async fn contents(namespace: &Namespace) -> Model {
    let mut found = Model::new();
    let mut cursor = None;
    loop {
        let options = ListOptions { limit: Some(3), cursor: cursor.as_deref(), ..ListOptions::default() };
        let page = namespace.list(&options).await.unwrap();
        for key in page.keys {
            let entry =
                namespace.get_with_metadata(&key.name).await.unwrap().expect("what is listed is there");
            assert_eq!((&key.expiration, &key.metadata), (&entry.expiration, &entry.metadata));
            let value = entry.value.into_bytes().await.unwrap();
            found.insert(key.name, Held { value, expires: entry.expiration, metadata: entry.metadata });
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return found;
        }
    }
}

/// The image must hold one of the two states whole, be sound, without a file too many, and go on working.
async fn verify(
    image: &Path,
    clock: &Arc<ManualClock>,
    moment: &str,
    before: &Model,
    after: &Model,
) -> Result<(), TestCaseError> {
    let store = Store::open_without_clean_up(image, Arc::<ManualClock>::clone(clock), Limits::default());
    let namespace = store.unwrap().namespace("test").await.unwrap();
    let found = contents(&namespace).await;
    prop_assert!(found == *before || found == *after, "{}: {}", moment, differences(&found, before, after));
    let report = namespace.check(|_| ()).await.unwrap();
    prop_assert!(report.is_sound() && report.orphan_count == 0, "{}: {:?}", moment, report);
    namespace.put("new", vec![7; 70_000], &PutOptions::default()).await.unwrap();
    while namespace.clean_up().await.unwrap() {}
    prop_assert!(namespace.check(|_| ()).await.unwrap().is_sound());
    drop(namespace);
    std::fs::remove_dir_all(image).unwrap();
    Ok(())
}

fn differences(found: &Model, before: &Model, after: &Model) -> String {
    let show = |model: &Model| {
        model
            .iter()
            .map(|(k, v)| format!("{k}: {} bytes, {:?}", v.value.len(), v.expires))
            .collect::<Vec<_>>()
    };
    format!("found {:?}, neither {:?} nor {:?}", show(found), show(before), show(after))
}

impl Put {
    /// `serial` makes the values of two puts differ.
    fn held(&self, serial: u64, now: u64) -> Held {
        let value: Vec<u8> = serial.to_le_bytes().iter().copied().cycle().take(self.size).collect();
        let expires = self.ttl.map(|ttl| now + ttl.unsigned_abs());
        Held { value: value.into(), expires, metadata: self.metadata.then(|| format!("[{serial}]")) }
    }

    fn options(&self, held: &Held) -> PutOptions {
        PutOptions { expiration_ttl: self.ttl, metadata: held.metadata.clone(), ..PutOptions::default() }
    }
}

async fn run(steps: Vec<(Step, Option<Stop>)>) -> Result<(), TestCaseError> {
    let mut lab = Lab::new().await;
    let camera = Camera::new(lab.directory.path());
    let (mut model, mut now, mut serial) = (Model::new(), START, 0);
    for (step, stop) in steps {
        model.retain(|_, held| held.expires.is_none_or(|at| at > now));
        let before = model.clone();
        camera.arm(stop);
        match step {
            Step::Put(put) => {
                serial += 1;
                let held = put.held(serial, now);
                let options = put.options(&held);
                if put.streamed {
                    let pieces: Vec<_> =
                        held.value.chunks(50_000).map(Bytes::copy_from_slice).map(Ok).collect();
                    lab.namespace
                        .put_stream(&put.key, futures_util::stream::iter(pieces), &options)
                        .await
                        .unwrap();
                } else {
                    lab.namespace.put(&put.key, held.value.clone(), &options).await.unwrap();
                }
                model.insert(put.key, held);
            }
            Step::Delete(key) => {
                lab.namespace.delete(&key).await.unwrap();
                model.remove(&key);
            }
            Step::PutBulk(puts) => {
                let mut pairs = Vec::new();
                for put in puts {
                    serial += 1;
                    let held = put.held(serial, now);
                    let options = put.options(&held);
                    pairs.push(Pair { key: put.key.clone(), value: held.value.clone(), options });
                    model.insert(put.key, held);
                }
                let count = pairs.len();
                assert_eq!(lab.namespace.put_bulk(pairs).await.unwrap().done, count);
            }
            Step::DeleteBulk(keys) => {
                for key in &keys {
                    model.remove(key);
                }
                lab.namespace.delete_bulk(keys).await.unwrap();
            }
            Step::Advance(seconds) => {
                now += seconds;
                lab.clock.advance(seconds * 1000);
            }
            Step::CleanUp => lab.clean_up().await,
            Step::Reopen => lab = lab.reopen().await,
        }
        if let Some(stop) = stop
            && let Some((moment, image)) = camera.image(stop.lost)
        {
            verify(&image, &lab.clock, &moment, &before, &model).await?;
        }
    }
    model.retain(|_, held| held.expires.is_none_or(|at| at > now));
    let found = contents(&lab.namespace).await;
    prop_assert!(found == model, "at the end: {}", differences(&found, &model, &model));
    lab.clean_up().await;
    let report = lab.namespace.check(|_| ()).await.unwrap();
    prop_assert!(report.is_sound() && report.orphan_count == 0, "{:?}", report);
    prop_assert_eq!(lab.value_files(), model.values().filter(|held| held.value.len() > 65_536).count());
    Ok(())
}

fn cases() -> u32 {
    std::env::var("SELVEDGE_KV_CRASH_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_crash_at_any_step_leaves_what_was_answered(steps in prop::collection::vec(steps(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
