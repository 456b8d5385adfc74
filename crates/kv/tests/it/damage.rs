//! Bytes that the disk changed are reported and never served.

use std::path::Path;

use selvedge_kv::{Damage, Error, ListOptions, PutOptions, Result};

use crate::{Lab, large};

/// Changes one bit of the first place in a file where `marker` stands.
fn flip(path: &Path, marker: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let places: Vec<_> =
        (0..bytes.len() - marker.len()).filter(|at| bytes[*at..].starts_with(marker)).collect();
    assert!(!places.is_empty(), "{} does not have it", path.display());
    for at in places {
        bytes[at + marker.len() / 2] ^= 4;
    }
    std::fs::write(path, bytes).unwrap();
}

/// Closes the namespace, which leaves everything in the one file, and damages that.
async fn flip_in_database(lab: Lab, marker: &[u8]) -> Lab {
    let path = lab.directory.path().join("test.sqlite");
    let Lab { directory, clock, namespace } = lab;
    drop(namespace);
    flip(&path, marker);
    let namespace = crate::open(directory.path(), &clock).await;
    Lab { directory, clock, namespace }
}

fn is_damaged<T: std::fmt::Debug>(outcome: Result<T>, key: &str) -> bool {
    matches!(outcome, Err(Error::Damaged { key: found, .. }) if found == key)
}

#[tokio::test]
async fn a_flipped_bit_in_a_small_value_is_reported_until_the_key_is_put_again() {
    let lab = Lab::new().await;
    lab.put("good", "sound").await;
    lab.put("bad", "the-value-that-will-be-hit").await;
    let lab = flip_in_database(lab, b"value-that-will").await;
    assert!(is_damaged(lab.namespace.get("bad").await, "bad"));
    assert!(is_damaged(lab.namespace.get_many(&["good", "bad"]).await, "bad"));
    assert_eq!(lab.text("good").await.as_deref(), Some("sound"));
    // A listing shows nothing of the value.
    assert_eq!(lab.namespace.list(&ListOptions::default()).await.unwrap().keys.len(), 2);
    let report = lab.namespace.check(|_| ()).await.unwrap();
    assert!(!report.is_sound());
    assert_eq!((report.values, report.damaged_count, report.damaged[0].key.as_str()), (2, 1, "bad"));
    lab.put("bad", "again").await;
    assert_eq!(lab.text("bad").await.as_deref(), Some("again"));
    assert!(lab.namespace.check(|_| ()).await.unwrap().is_sound());
}

#[tokio::test]
async fn a_flipped_bit_in_metadata_is_reported_by_reads_and_by_listings() {
    let lab = Lab::new().await;
    lab.put("0", "sound").await;
    lab.put("a", "sound").await;
    let metadata = PutOptions { metadata: Some(r#""stamped-metadata""#.to_owned()), ..PutOptions::default() };
    lab.namespace.put("b", "value", &metadata).await.unwrap();
    let lab = flip_in_database(lab, b"stamped-metadata").await;
    assert!(is_damaged(lab.namespace.get_with_metadata("b").await, "b"));
    assert!(is_damaged(lab.namespace.list(&ListOptions::default()).await, "b"));
    assert_eq!(
        lab.namespace.list(&ListOptions { prefix: "0", ..ListOptions::default() }).await.unwrap().keys.len(),
        1
    );
    lab.namespace.delete("b").await.unwrap();
    assert_eq!(lab.namespace.list(&ListOptions::default()).await.unwrap().keys.len(), 2);
}

#[tokio::test]
async fn a_flipped_bit_in_a_key_is_reported() {
    let lab = Lab::new().await;
    lab.put("key-that-is-hit", "value").await;
    let lab = flip_in_database(lab, b"key-that-is-hit").await;
    assert!(matches!(lab.namespace.list(&ListOptions::default()).await, Err(Error::Damaged { .. })));
    assert_eq!(lab.namespace.check(|_| ()).await.unwrap().damaged_count, 1);
}

#[tokio::test]
async fn no_wrong_byte_of_a_file_is_given_out() {
    // So much is read at a time.
    const PIECE: usize = 256 * 1024;
    let lab = Lab::new().await;
    let bytes = large(3 * PIECE);
    // The last one is in the checksums behind the bytes.
    for at in [0, PIECE - 1, PIECE, 2 * PIECE + 7, 3 * PIECE - 1, 3 * PIECE] {
        lab.namespace.put("k", bytes.clone(), &PutOptions::default()).await.unwrap();
        lab.clean_up().await;
        let path = lab.value_paths().pop().unwrap();
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[at] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let mut given = Vec::new();
        let outcome = async {
            let Some(selvedge_kv::Value::File(mut file)) = lab.namespace.get("k").await? else { panic!() };
            while let Some(piece) = file.next().await? {
                given.extend_from_slice(&piece);
            }
            Ok(())
        };
        let outcome = outcome.await;
        assert!(matches!(&outcome, Err(Error::Damaged { damage: Damage::File(_), .. })), "{at}: {outcome:?}");
        let sound = if at == 3 * PIECE { 0 } else { at / PIECE * PIECE };
        assert!(given == bytes[..sound], "{at}: {} bytes given", given.len());
        let report = lab.namespace.check(|_| ()).await.unwrap();
        assert_eq!((report.damaged_count, report.orphan_count), (1, 0));
    }
}

#[tokio::test]
async fn a_check_finds_missing_cut_and_orphaned_files() {
    let lab = Lab::new().await;
    for key in ["a", "b", "c"] {
        lab.namespace.put(key, large(100_000), &PutOptions::default()).await.unwrap();
    }
    lab.put("small", "value").await;
    let sound = lab.namespace.check(|_| ()).await.unwrap();
    assert!(sound.is_sound() && sound.orphans.is_empty(), "{sound:?}");
    assert_eq!((sound.values, sound.bytes, sound.unchecked), (4, 300_005, 0));

    let paths = lab.value_paths();
    std::fs::remove_file(&paths[0]).unwrap();
    std::fs::OpenOptions::new().write(true).open(&paths[1]).unwrap().set_len(99_998).unwrap();
    let orphan = format!("ab{}", "0".repeat(30));
    std::fs::create_dir_all(lab.directory.path().join("test/blobs/ab")).unwrap();
    std::fs::write(lab.directory.path().join("test/blobs/ab").join(&orphan), "left behind").unwrap();
    let mut steps = 0;
    let report = lab.namespace.check(|_| steps += 1).await.unwrap();
    assert!(steps > 1);
    assert_eq!((report.damaged_count, report.damaged.len()), (2, 2));
    let problems = report.damaged.iter().map(|d| d.problem.as_str()).collect::<Vec<_>>().join("\n");
    assert!(problems.contains("is missing") && problems.contains("has 99998 bytes"), "{problems}");
    assert_eq!((report.orphans, report.orphan_count), (vec![orphan], 1));
}
