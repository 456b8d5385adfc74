//! `kill -9` at random moments under load: nothing that was answered may be lost or torn, and it must always
//! start again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::d1_history::Bookmarks;
use crate::support::{Client, Node, Project, client};

fn rounds() -> u64 {
    std::env::var("SELVEDGE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(50)
}

/// What is written to, and how many writers it has.
const WRITERS: [(&str, usize); 6] =
    [("kv", 3), ("d1", 3), ("r2", 2), ("multipart", 1), ("delete", 2), ("do", 2)];

/// Every name whose write was answered, by store.
#[derive(Default)]
struct Acknowledged {
    kv: BTreeSet<String>,
    d1: BTreeSet<String>,
    r2: BTreeSet<String>,
    /// Objects that were put and then deleted.
    deleted: BTreeSet<String>,
    objects: BTreeSet<String>,
}

impl Acknowledged {
    fn of(&mut self, store: &str) -> &mut BTreeSet<String> {
        match store {
            "kv" => &mut self.kv,
            "d1" => &mut self.d1,
            "r2" | "multipart" => &mut self.r2,
            "delete" => &mut self.deleted,
            _ => &mut self.objects,
        }
    }
}

/// The value belonging to a name: its size is on either side of what is kept as a file of its own.
fn value_of(name: &str) -> Vec<u8> {
    let seed: usize = name.bytes().map(usize::from).sum();
    let size = if seed.is_multiple_of(3) { 70_000 + seed * 37 } else { 200 + seed };
    name.bytes().cycle().take(size).collect()
}

/// Writes under fresh names until told to stop or the node is gone.
async fn write(
    address: String,
    store: &'static str,
    prefix: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Acknowledged>>,
) {
    let node = client(&address);
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("{prefix}-{n}");
        let (path, body) = match store {
            "kv" | "r2" | "multipart" | "delete" => (format!("/{store}/{name}"), value_of(&name)),
            _ => (format!("/{store}"), name.clone().into_bytes()),
        };
        match node.try_send(Method::POST, &path, &[], body).await {
            Ok(reply) if reply.status == 200 => {
                acknowledged.lock().await.of(store).insert(name);
            }
            Ok(reply) => assert!(reply.status.is_server_error(), "{path}: {}", reply.text()),
            // Killed: this write was not answered, and may or may not be there.
            Err(_) => return,
        }
    }
}

async fn verify_stored(node: &Client, store: &str, names: impl Iterator<Item = &String>) {
    for name in names {
        let reply = node.get(&format!("/{store}/{name}")).await;
        assert_eq!(reply.status, 200, "{store}: {name} was answered and is lost");
        assert!(reply.body == value_of(name), "{store}: {name} is torn: {} bytes", reply.body.len());
    }
}

fn strings(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

async fn verify_lists(node: &Client, acknowledged: &Acknowledged) {
    let listed = strings(&node.get("/kv").await.json());
    assert!(acknowledged.kv.is_subset(&listed), "kv: {:?}", acknowledged.kv.difference(&listed));

    let d1 = node.get("/d1").await.json();
    assert_eq!(d1["check"]["quick_check"], "ok");
    let rows = d1["rows"].as_array().unwrap().iter().map(|r| r[1].as_str().unwrap().to_owned());
    let rows: Vec<String> = rows.collect();
    let entries: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(entries.len(), rows.len(), "d1: an insert happened twice");
    assert!(acknowledged.d1.is_subset(&entries), "d1: {:?}", acknowledged.d1.difference(&entries));

    let objects = node.get("/r2").await.json();
    let keys: BTreeSet<String> =
        objects.as_array().unwrap().iter().map(|o| o["key"].as_str().unwrap().to_owned()).collect();
    assert!(acknowledged.r2.is_subset(&keys), "r2: {:?}", acknowledged.r2.difference(&keys));
    assert!(acknowledged.deleted.is_disjoint(&keys), "r2: {:?}", acknowledged.deleted.intersection(&keys));

    let ledger = node.get("/do").await.json();
    let entries: BTreeSet<String> = ledger["entries"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(ledger["count"], entries.len(), "do: a transaction was torn");
    assert!(acknowledged.objects.is_subset(&entries), "do: {:?}", acknowledged.objects.difference(&entries));
}

/// Xorshift: a kill should come at any moment, and the seed is printed so that a failure can be repeated.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_lost() {
    #[expect(clippy::disallowed_methods, reason = "a different seed in every run")]
    let seed =
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().wrapping_mul(0x9e37_79b9_7f4a_7c15)
            | 1;
    println!("seed {seed}");
    let mut state = seed;
    let project = Project::copy("fixtures/workers/crash");
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let mut node: Node = project.dev(&[]).await;
    let (data, database) = (project.path().join(".selvedge"), "b5d1f0c9-7e2a-4f6b-8c3d-9a0e1f2b3c4d");
    let mut bookmarks = Bookmarks::default();
    for round in 0..rounds() {
        let before = {
            let a = acknowledged.lock().await;
            (a.kv.clone(), a.r2.clone())
        };
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = tokio::task::JoinSet::new();
        for (store, count) in WRITERS {
            for writer in 0..count {
                let prefix = format!("{round}-{store}-{writer}");
                let address = node.address().to_owned();
                writers.spawn(write(address, store, prefix, Arc::clone(&stop), Arc::clone(&acknowledged)));
            }
        }
        tokio::time::sleep(Duration::from_millis(random(&mut state) % 300)).await;
        node.kill().await;
        stop.store(true, Ordering::Relaxed);
        while let Some(writer) = writers.join_next().await {
            writer.unwrap();
        }
        node = project.dev(&[]).await;
        let acknowledged = acknowledged.lock().await;
        verify_lists(&node, &acknowledged).await;
        verify_stored(&node, "kv", acknowledged.kv.difference(&before.0)).await;
        verify_stored(&node, "r2", acknowledged.r2.difference(&before.1)).await;
        bookmarks.note(&data, database).await;
    }
    let acknowledged = acknowledged.lock().await;
    verify_stored(&node, "kv", acknowledged.kv.iter().step_by(7)).await;
    verify_stored(&node, "r2", acknowledged.r2.iter().step_by(7)).await;
    let Acknowledged { kv, d1, r2, deleted, objects } = &*acknowledged;
    let counts = [kv, d1, r2, deleted, objects].map(BTreeSet::len);
    println!("answered writes: KV, D1, R2, R2 deletes, DO: {counts:?}");
    // A deletion is two writes one after the other.
    assert!([kv, d1, r2, objects].iter().all(|names| names.len() > 50) && deleted.len() > 5, "{counts:?}");
    node.stop().await;
    bookmarks.verify(&data, database).await;
    check_bucket(&project).await;
}

/// Nothing is left over in the bucket, nothing is damaged, and the counts are right.
async fn check_bucket(project: &Project) {
    let data = project.path().join(".selvedge/r2");
    let clock = selvedge_base::SystemClock::shared();
    let store = selvedge_r2::Store::open(&data, clock, selvedge_r2::Limits::default()).unwrap();
    let name = store.list_buckets(&selvedge_r2::ListBuckets::default()).await.unwrap().buckets.remove(0).name;
    let bucket = store.existing_bucket(&name).await.unwrap();
    let report = bucket.fsck(selvedge_r2::FsckOptions::default(), |_| ()).await.unwrap();
    assert_eq!(report.problems, []);
    assert!(report.files > 10 && report.inline > 10, "{report:?}");
    let (mut objects, mut bytes) = (0, 0);
    let mut options = selvedge_r2::ListOptions::default();
    loop {
        let page = bucket.list(&options).await.unwrap();
        objects += page.objects.len() as u64;
        bytes += page.objects.iter().map(|object| object.size).sum::<u64>();
        options.cursor = page.cursor;
        if options.cursor.is_none() {
            break;
        }
    }
    let usage = bucket.usage().await.unwrap();
    assert_eq!((usage.objects, usage.bytes), (objects, bytes));
    assert!(usage.uploads > 0, "some were killed between their steps");
}

/// A small tmpfs as the data directory. Needs to be root, as CI is; otherwise there is nothing to mount.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "mounts a file system")]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let project = Project::copy("fixtures/workers/crash");
    let data = project.path().join("small");
    std::fs::create_dir(&data).unwrap();
    let mount = |arguments: &[&str]| {
        std::process::Command::new("mount").args(arguments).arg(&data).status().is_ok_and(|s| s.success())
    };
    if !rustix::process::getuid().is_root() || !mount(&["-t", "tmpfs", "-o", "size=12m", "tmpfs"]) {
        println!("not allowed to mount a small file system here: nothing was tested");
        return;
    }
    let node = project.dev(&["--persist-to", "small"]).await;
    let mut answered = BTreeSet::new();
    let mut refused = 0;
    for n in 0..400 {
        let name = format!("full-{n}");
        let reply = node.post(&format!("/kv/{name}"), value_of(&name)).await;
        if reply.status == 200 {
            answered.insert(name);
        } else {
            refused += 1;
            if refused > 5 {
                break;
            }
        }
    }
    assert!(refused > 0 && answered.len() > 5, "{refused} refused, {} answered", answered.len());
    verify_stored(&node, "kv", answered.iter()).await;
    assert_eq!(node.get("/d1").await.status, 200, "reads go on");
    let said = node.stop().await;
    assert!(!said.contains("panicked"), "{said}");
    // Somebody makes room.
    assert!(mount(&["-o", "remount,size=24m"]));
    let node = project.dev(&["--persist-to", "small"]).await;
    verify_stored(&node, "kv", answered.iter()).await;
    assert_eq!(node.post("/kv/again", "x").await.status, 200, "writes go on");
    node.stop().await;
    let unmounted = std::process::Command::new("umount").arg(&data).status().unwrap();
    assert!(unmounted.success());
}
