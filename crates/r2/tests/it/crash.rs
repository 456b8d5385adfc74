//! Crash images: at every step of a durable write the bucket's directory is copied, and each copy is opened as
//! after a crash. Whatever was answered before must be there, whatever was not must be there whole or not at
//! all, the counts must be exact, no file may be left over, and a check must find nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use selvedge_base::{SharedClock, watch_crash_points};
use selvedge_r2::{
    Bucket, ClaimedPart, CopyOptions, CreateOptions, FsckOptions, ListOptions, ListUploads, Store, Usage,
};
use tempfile::TempDir;

use crate::support::{LIMITS, Place, body, get, put};

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, size: usize },
    Copy { from: u8, to: u8 },
    Delete(Vec<u8>),
    Create { key: u8 },
    Part { upload: usize, number: u32, size: usize },
    Complete { upload: usize },
    Abort { upload: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0_u8..4;
    let size = || prop_oneof![Just(3_usize), Just(16), Just(17), Just(200), Just(70_000)];
    prop_oneof![
        4 => (key(), size()).prop_map(|(key, size)| Step::Put { key, size }),
        1 => (key(), key()).prop_map(|(from, to)| Step::Copy { from, to }),
        2 => proptest::collection::vec(key(), 1..4).prop_map(Step::Delete),
        2 => key().prop_map(|key| Step::Create { key }),
        4 => (0_usize..3, 1_u32..4, size())
            .prop_map(|(upload, number, size)| Step::Part { upload, number, size }),
        3 => (0_usize..3).prop_map(|upload| Step::Complete { upload }),
        1 => (0_usize..3).prop_map(|upload| Step::Abort { upload }),
    ]
}

/// What a bucket holds: bytes by key, and of each open upload its key and its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, String>)>,
}

async fn look(bucket: &Bucket) -> State {
    let mut state = State::default();
    for object in bucket.list(&ListOptions::default()).await.unwrap().objects {
        let bytes = get(bucket, &object.key).await.unwrap();
        state.objects.insert(object.key, bytes);
    }
    for upload in bucket.list_uploads(&ListUploads::default()).await.unwrap().uploads {
        let parts = bucket.list_parts(&upload.key, &upload.id, 0, None).await.unwrap().parts;
        let parts = parts.into_iter().map(|part| (part.number, part.etag)).collect();
        state.uploads.insert(upload.id, (upload.key, parts));
    }
    state
}

/// A copy of the directory, and how many steps had been answered when it was made.
struct Image {
    directory: TempDir,
    answered: usize,
    point: String,
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &target);
        } else {
            // It may be a file that is just being removed.
            let _ = std::fs::copy(&source, &target);
        }
    }
}

/// The databases first: files that go meanwhile are garbage to them already.
fn image(from: &Path, answered: usize, point: &str) -> Image {
    let directory = tempfile::tempdir().unwrap();
    for name in ["b.sqlite", "b.sqlite-wal"] {
        let _ = std::fs::copy(from.join(name), directory.path().join(name));
    }
    copy_tree(&from.join("b"), &directory.path().join("b"));
    Image { directory, answered, point: point.to_owned() }
}

/// Does a step; what cannot be done, since there is no such upload or object, is left.
async fn run(bucket: &Bucket, uploads: &mut Vec<(String, String)>, step: Step) {
    let name = |key: u8| format!("k{key}");
    let fill = |size: usize| vec![u8::try_from(size % 251).unwrap(); size];
    match step {
        Step::Put { key, size } => {
            put(bucket, &name(key), &fill(size)).await;
        }
        Step::Copy { from, to } => {
            let _ = bucket.copy(&name(to), bucket, &name(from), CopyOptions::default()).await;
        }
        Step::Delete(keys) => bucket.delete(keys.into_iter().map(name).collect()).await.unwrap(),
        Step::Create { key } => {
            let id = bucket.create_multipart(&name(key), CreateOptions::default()).await.unwrap();
            uploads.push((name(key), id));
        }
        Step::Part { upload, number, size } => {
            let Some((key, id)) = uploads.get(upload) else { return };
            let _ = bucket.upload_part(key, id, number, body(&fill(size), 5000), size as u64).await;
        }
        Step::Complete { upload } => {
            let Some((key, id)) = uploads.get(upload) else { return };
            let Ok(parts) = bucket.list_parts(key, id, 0, None).await else { return };
            let parts =
                parts.parts.into_iter().map(|part| ClaimedPart::new(part.number, part.etag)).collect();
            let _ = bucket.complete_multipart(key, id, parts).await;
        }
        Step::Abort { upload } => {
            let Some((key, id)) = uploads.get(upload) else { return };
            bucket.abort_multipart(key, id).await.unwrap();
        }
    }
}

fn files(directory: &Path) -> usize {
    let blobs = directory.join("b/blobs");
    let folders = std::fs::read_dir(blobs).unwrap().map(|folder| folder.unwrap().path());
    folders.map(|folder| std::fs::read_dir(folder).unwrap().count()).sum()
}

fn parts_of(etag: &str) -> usize {
    etag.split_once('-').map_or(1, |(_, count)| count.parse().unwrap())
}

async fn verify(image: Image, states: &[State], clock: &SharedClock) {
    let path = image.directory.path();
    let store = Store::open(path, Arc::clone(clock), LIMITS).unwrap();
    let bucket = store.bucket("b").await.unwrap();
    let found = look(&bucket).await;
    let (before, after) = (&states[image.answered], states.get(image.answered + 1));
    assert!(
        found == *before || Some(&found) == after,
        "at {} after {} answers:\n{:?}\nis neither\n{:?}\nnor\n{:?}",
        image.point,
        image.answered,
        found.uploads,
        before.uploads,
        after.map(|state| &state.uploads),
    );
    let usage = bucket.usage().await.unwrap();
    let bytes: usize = found.objects.values().map(Vec::len).sum();
    let expected = Usage {
        objects: found.objects.len() as u64,
        bytes: bytes as u64,
        uploads: found.uploads.len() as u64,
        ..usage
    };
    assert_eq!(usage, expected);
    let report = bucket.fsck(FsckOptions { repair: false }, |_| ()).await.unwrap();
    assert_eq!(report.problems, [], "at {}", image.point);
    let listed = bucket.list(&ListOptions::default()).await.unwrap().objects;
    let of_objects: usize =
        listed.iter().filter(|o| o.size > 16 || o.etag.contains('-')).map(|o| parts_of(&o.etag)).sum();
    let of_uploads: usize = found.uploads.values().map(|(_, parts)| parts.len()).sum();
    assert_eq!(files(path), of_objects + of_uploads, "files at {}", image.point);
    // And it goes on.
    put(&bucket, "after", &[1; 100]).await;
    assert_eq!(get(&bucket, "after").await.unwrap(), [1; 100]);
}

async fn crash_at_every_step(steps: Vec<Step>) {
    let place = Place::new();
    let clock: SharedClock = Arc::clone(&place.clock) as SharedClock;
    let bucket = place.open().await;
    let images = Arc::new(Mutex::new(Vec::new()));
    let answered = Arc::new(Mutex::new(0_usize));
    let watch = watch_crash_points(place.directory.path(), {
        let (images, answered) = (Arc::clone(&images), Arc::clone(&answered));
        let from = place.directory.path().to_owned();
        move |point| {
            // Held while copying: the step cannot be answered meanwhile.
            let answered = answered.lock().unwrap();
            images.lock().unwrap().push(image(&from, *answered, point));
        }
    });
    let mut states = vec![look(&bucket).await];
    let mut uploads = Vec::new();
    for step in std::iter::once(Step::Put { key: 0, size: 200 }).chain(steps) {
        place.clock.advance(1);
        run(&bucket, &mut uploads, step).await;
        let state = look(&bucket).await;
        states.push(state);
        *answered.lock().unwrap() += 1;
    }
    drop(watch);
    let images = std::mem::take(&mut *images.lock().unwrap());
    assert!(images.len() >= 6, "a put of a file has six steps: {}", images.len());
    for image in images {
        verify(image, &states, &clock).await;
    }
}

fn cases() -> u32 {
    std::env::var("SELVEDGE_CRASH_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_at_any_step_loses_nothing_and_leaves_nothing(steps in proptest::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(crash_at_every_step(steps));
    }
}
