//! Damage: found, told, never served, and mended where that is possible.

use futures_util::TryStreamExt as _;
use selvedge_r2::{
    Bucket, ClaimedPart, Content, CreateOptions, Error, FsckOptions, FsckReport, Get, ProblemKind,
    PutOptions, SsecKey,
};

use crate::support::{Place, body, get, open, put, put_with};

async fn fsck(bucket: &Bucket, repair: bool) -> FsckReport {
    bucket.fsck(FsckOptions { repair }, |_| ()).await.unwrap()
}

fn kinds(report: &FsckReport) -> Vec<ProblemKind> {
    report.problems.iter().map(|problem| problem.kind).collect()
}

fn path(place: &Place, file: &str) -> std::path::PathBuf {
    place.directory.path().join("b/blobs").join(&file[..2]).join(file)
}

/// Runs SQL on the bucket's file, as damage would.
#[expect(clippy::disallowed_methods, reason = "damage comes from outside")]
fn sql(place: &Place, text: &str) {
    let c = rusqlite::Connection::open(place.directory.path().join("b.sqlite")).unwrap();
    c.execute_batch(text).unwrap();
}

async fn read(bucket: &Bucket, key: &str) -> Result<Vec<u8>, String> {
    let got = bucket.get(key, None, &selvedge_r2::Conditions::default()).await;
    match got.map_err(|e| selvedge_base::on_one_line(&e))? {
        Get::Found(found) => {
            let pieces = found.content.into_stream().try_collect::<Vec<_>>().await;
            Ok(pieces.map_err(|e| e.to_string())?.concat())
        }
        other => panic!("{other:?}"),
    }
}

async fn filled(place: &Place) -> Bucket {
    let bucket = place.open().await;
    put(&bucket, "small", b"small").await;
    put(&bucket, "large", &vec![5; 700_000]).await;
    let key = SsecKey::new(&[1; 32]);
    put_with(&bucket, "secret", &vec![6; 300_000], PutOptions { ssec: key, ..PutOptions::default() })
        .await
        .unwrap();
    let id = bucket.create_multipart("parts", CreateOptions::default()).await.unwrap();
    let mut claimed = Vec::new();
    for number in 1..=3 {
        let etag = bucket.upload_part("parts", &id, number, body(&[7; 900], 100), 900).await.unwrap();
        claimed.push(ClaimedPart::new(number, etag));
    }
    bucket.complete_multipart("parts", &id, claimed).await.unwrap();
    bucket.create_multipart("open", CreateOptions::default()).await.unwrap();
    bucket
}

#[tokio::test]
async fn a_sound_bucket_is_clean() {
    let place = Place::new();
    let bucket = filled(&place).await;
    let mut heard = 0;
    let report = bucket.fsck(FsckOptions { repair: true }, |_| heard += 1).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!((report.inline, report.files, report.bytes), (1, 5, 5 + 700_000 + 300_000 + 2700));
    assert_eq!(heard, 5);
}

#[tokio::test]
async fn damaged_bytes_are_found_and_never_served_as_whole() {
    let place = Place::new();
    let bucket = filled(&place).await;
    for file in place.files() {
        let whole = std::fs::read(path(&place, &file)).unwrap();
        let mut damaged = whole.clone();
        let middle = if whole.len() > 690_000 { 650_000 } else { 450 };
        damaged[middle] ^= 1;
        std::fs::write(path(&place, &file), damaged).unwrap();
        let report = fsck(&bucket, true).await;
        assert_eq!(kinds(&report), [ProblemKind::Damaged], "{report:?}");
        assert!(!report.is_clean());
        assert_eq!(report.problems[0].file.as_ref(), Some(&file));
        let key = report.problems[0].key.clone().unwrap();
        if key != "secret" {
            let read = read(&bucket, &key).await;
            assert!(
                read.as_ref().is_err_and(|told| told.contains("damaged")),
                "{key}: {:?}",
                read.map(|b| b.len())
            );
        }
        if key == "large" {
            // What is before the damage may go out, the damage may not.
            let Content::Stream(mut stream) = open(&bucket, "large").await.unwrap().content else {
                panic!("a large one")
            };
            let mut served = 0;
            while let Ok(Some(bytes)) = stream.try_next().await {
                assert!(bytes.iter().all(|byte| *byte == 5));
                served += bytes.len();
            }
            assert!(served > 0 && served < 650_000, "{served}");
            // A copy must not become one of it.
            let copied = bucket.copy("copy", &bucket, "large", selvedge_r2::CopyOptions::default()).await;
            assert!(matches!(copied, Err(Error::File(_))), "{copied:?}");
        }
        std::fs::write(path(&place, &file), whole).unwrap();
        assert_eq!(fsck(&bucket, false).await.problems, []);
    }
    sql(&place, "UPDATE inline SET bytes = CAST('snall' AS BLOB)");
    assert_eq!(kinds(&fsck(&bucket, true).await), [ProblemKind::Damaged]);
    assert!(read(&bucket, "small").await.is_err_and(|told| told.contains("not those that were written")));
}

#[tokio::test]
async fn what_can_be_mended_is() {
    let place = Place::new();
    let bucket = filled(&place).await;
    // Checksums that are wrong about bytes that are right.
    let (mut seals, mut whole) = (0, Vec::new());
    for file in place.files() {
        whole.push(std::fs::read(path(&place, &file)).unwrap());
        let mut damaged = whole.last().unwrap().clone();
        if damaged.len() < 300_000 {
            let end = damaged.len() - 28;
            damaged[end..].fill(0);
            seals += 1;
            std::fs::write(path(&place, &file), damaged).unwrap();
        }
    }
    assert!(read(&bucket, "parts").await.is_err());
    assert_eq!(kinds(&fsck(&bucket, false).await), vec![ProblemKind::Seal; seals]);
    let report = fsck(&bucket, true).await;
    assert_eq!(kinds(&report), vec![ProblemKind::Seal; seals]);
    assert!(report.is_clean());
    assert_eq!(read(&bucket, "parts").await.unwrap(), [7; 2700]);
    // A file that nobody has, rows that nobody has, a count that is wrong.
    place.settle(5).await;
    let orphan = format!("ab{}", "0".repeat(30));
    std::fs::create_dir_all(path(&place, &orphan).parent().unwrap()).unwrap();
    std::fs::write(path(&place, &orphan), b"x").unwrap();
    sql(
        &place,
        "INSERT INTO inline VALUES (999, x'78', NULL, NULL); UPDATE usage SET objects = objects + 1;",
    );
    let expected = [ProblemKind::Dangling, ProblemKind::Usage, ProblemKind::Orphan];
    assert_eq!(kinds(&fsck(&bucket, false).await), expected);
    assert!(fsck(&bucket, true).await.is_clean());
    assert_eq!(fsck(&bucket, true).await.problems, []);
    assert_eq!(bucket.usage().await.unwrap().objects, 4);
}

#[tokio::test]
async fn what_is_lost_is_told() {
    let place = Place::new();
    let bucket = filled(&place).await;
    let large =
        place.files().into_iter().find(|f| std::fs::metadata(path(&place, f)).unwrap().len() > 690_000);
    std::fs::remove_file(path(&place, &large.unwrap())).unwrap();
    sql(&place, "DELETE FROM inline; DELETE FROM parts WHERE size = 900 AND number = 3;");
    let report = fsck(&bucket, true).await;
    let orphan = ProblemKind::Orphan;
    assert_eq!(
        kinds(&report),
        [ProblemKind::Missing, ProblemKind::Size, ProblemKind::Missing, orphan],
        "{report:?}"
    );
    let keys: Vec<_> = report.problems.iter().filter_map(|p| p.key.as_deref()).collect();
    assert_eq!(keys, ["small", "parts", "large"]);
    assert!(!report.is_clean());
    assert!(matches!(
        bucket.get("large", None, &selvedge_r2::Conditions::default()).await,
        Err(Error::Lost { .. })
    ));
    assert!(read(&bucket, "small").await.is_err());
}

/// A bucket as the first format had it: an object that is a row and one that is a file, neither with checksums.
const OLD: &str = "
    PRAGMA journal_mode = WAL; PRAGMA application_id = 0x53765232; PRAGMA user_version = 1;
    CREATE TABLE objects (key TEXT NOT NULL PRIMARY KEY, content INTEGER NOT NULL, size INTEGER NOT NULL,
        etag TEXT NOT NULL, version TEXT NOT NULL, uploaded INTEGER NOT NULL, class TEXT NOT NULL,
        checksums TEXT NOT NULL, http TEXT NOT NULL, custom TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE inline (content INTEGER NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE parts (content INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL,
        md5 TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (content, number)) STRICT, WITHOUT ROWID;
    CREATE INDEX parts_by_blob ON parts (blob);
    CREATE TABLE uploads (id TEXT NOT NULL PRIMARY KEY, key TEXT NOT NULL, content INTEGER NOT NULL,
        created INTEGER NOT NULL, finished INTEGER, class TEXT NOT NULL, http TEXT NOT NULL, custom TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE garbage (blob TEXT NOT NULL PRIMARY KEY, content INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO objects VALUES ('small', 1, 1, '9dd4e461268c8034f5c8564e155c67a6', 'v', 5, 'Standard', '{}', '{}', '[]');
    INSERT INTO inline VALUES (1, CAST('x' AS BLOB));
    INSERT INTO objects VALUES ('large', 2, 20, '63b3f3ef9b5b5e1ca9a3f4b5a2c5f1b0', 'w', 6, 'InfrequentAccess', '{}', '{}', '[]');
    INSERT INTO parts VALUES (2, 1, 20, 'MD5', '00112233445566778899aabbccddeeff');
    INSERT INTO uploads VALUES ('up', 'k', 3, 1700000000000, NULL, 'Standard', '{}', '[]');
";

#[tokio::test]
async fn a_bucket_of_the_first_format_goes_on_and_can_be_given_checksums() {
    let place = Place::new();
    let content = b"twenty bytes of text";
    let md5 = hex::encode(<md5::Md5 as md5::Digest>::digest(content));
    sql(&place, &OLD.replace("'MD5'", &format!("'{md5}'")));
    let file = "00112233445566778899aabbccddeeff";
    std::fs::create_dir_all(path(&place, file).parent().unwrap()).unwrap();
    std::fs::write(path(&place, file), content).unwrap();
    let bucket = place.open().await;
    assert_eq!(get(&bucket, "small").await.unwrap(), b"x");
    assert_eq!(get(&bucket, "large").await.unwrap(), content);
    let usage = bucket.usage().await.unwrap();
    assert_eq!((usage.objects, usage.bytes, usage.infrequent_bytes, usage.uploads), (2, 21, 20, 1));
    let report = fsck(&bucket, true).await;
    assert_eq!(kinds(&report), [ProblemKind::Unsealed]);
    assert!(report.is_clean());
    assert_eq!(fsck(&bucket, true).await.problems, []);
    assert_eq!(get(&bucket, "large").await.unwrap(), content);
    place.settle(1).await;
    assert_ne!(place.files()[0], file);
    bucket.upload_part("k", "up", 1, body(b"part", 4), 4).await.unwrap();
}
