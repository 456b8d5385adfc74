//! What the calls beyond put and get answer.

use selvedge_r2::{
    Algorithm, BucketOptions, ChecksumKind, Checksums, ClaimedPart, CompleteOptions, Conditions,
    CopyMetadata, CopyOptions, CreateOptions, Error, Get, GetOptions, Head, HttpMetadata, ListBuckets,
    ListUploads, PartCopyOptions, PartOptions, PutOptions, Range, SsecKey, StorageClass, Store, Trailer,
    UploadChecksum,
};

use crate::support::{LIMITS, Place, body, bytes, get, if_absent, if_etag, put, put_with};

fn key(byte: u8) -> Option<SsecKey> {
    SsecKey::new(&[byte; 32])
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}

async fn read(bucket: &selvedge_r2::Bucket, name: &str, options: GetOptions) -> Result<Vec<u8>, Error> {
    match bucket.get_with(name, &options).await? {
        Get::Found(found) => Ok(bytes(found.content).await.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn encrypted_bytes_are_on_disk_only_encrypted_and_ranges_work() {
    let place = Place::new();
    let bucket = place.open().await;
    for size in [0, 10, 17, 65_520, 65_521, 400_000, 1_100_000] {
        let content = pattern(size);
        let options = PutOptions { ssec: key(1), ..PutOptions::default() };
        put_with(&bucket, "k", &content, options).await.unwrap();
        for (offset, length) in [(0, size), (size / 2, size - size / 2), (size / 3, 7), (65_519, 3)] {
            if length == 0 || offset >= size {
                continue;
            }
            let range = Range::From { offset: offset as u64, length: Some(length as u64) };
            let options = GetOptions { range: Some(range), ssec: key(1), ..GetOptions::default() };
            let expected = &content[offset..(offset + length).min(size)];
            assert_eq!(read(&bucket, "k", options).await.unwrap(), expected, "{size} {offset} {length}");
        }
        let get = |ssec| read(&bucket, "k", GetOptions { ssec, ..GetOptions::default() });
        assert_eq!(get(key(1)).await.unwrap(), content);
        assert!(matches!(get(None).await, Err(Error::SsecMissing)));
        assert!(matches!(get(key(2)).await, Err(Error::SsecWrong)));
    }
    for file in place.files() {
        let stored =
            std::fs::read(place.directory.path().join("b/blobs").join(&file[..2]).join(&file)).unwrap();
        assert!(stored.windows(32).all(|w| w != &pattern(32)[..]), "the bytes are in the clear");
    }
    put(&bucket, "plain", b"bytes").await;
    let needless = read(&bucket, "plain", GetOptions { ssec: key(1), ..GetOptions::default() }).await;
    assert!(matches!(needless, Err(Error::SsecNotApplicable)));
}

#[tokio::test]
async fn encrypted_parts_make_an_encrypted_object() {
    let place = Place::new();
    let bucket = place.open().await;
    let options = CreateOptions { ssec: key(1), ..CreateOptions::default() };
    let id = bucket.create_multipart("k", options).await.unwrap();
    let content = pattern(70_000);
    let mut claimed = Vec::new();
    for number in 1..=2 {
        let upload = |ssec| {
            let options = PartOptions { ssec, ..PartOptions::default() };
            bucket.upload_part_with("k", &id, number, body(&content, 999), 70_000, options)
        };
        assert!(matches!(upload(None).await, Err(Error::SsecMissing)));
        assert!(matches!(upload(key(2)).await, Err(Error::SsecWrong)));
        claimed.push(ClaimedPart::new(number, upload(key(1)).await.unwrap().etag));
    }
    bucket.complete_multipart("k", &id, claimed).await.unwrap();
    let range = Range::From { offset: 69_000, length: Some(2000) };
    let options = GetOptions { range: Some(range), ssec: key(1), ..GetOptions::default() };
    assert_eq!(read(&bucket, "k", options).await.unwrap(), [&content[69_000..], &content[..1000]].concat());
    let copy = CopyOptions { source_ssec: key(1), ssec: key(3), ..CopyOptions::default() };
    bucket.copy("copy", &bucket, "k", copy).await.unwrap();
    let options = GetOptions { ssec: key(3), ..GetOptions::default() };
    assert_eq!(read(&bucket, "copy", options).await.unwrap(), content.repeat(2));
}

#[tokio::test]
async fn every_checksum_is_verified_and_one_in_a_trailer_too() {
    let place = Place::new();
    let bucket = place.open().await;
    let all = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64nvme,
    ];
    for size in [9, 200_000] {
        let content = pattern(size);
        let count = PutOptions { count: all.to_vec(), ..PutOptions::default() };
        let object = put_with(&bucket, "counted", &content, count).await.unwrap();
        assert_eq!(bucket.head("counted").await.unwrap().unwrap().checksums, object.checksums);
        for algorithm in all {
            let right = object.checksums.bytes(algorithm).unwrap();
            let mut wrong = right.clone();
            wrong[0] ^= 1;
            for (value, accepted) in [(right, true), (wrong, false)] {
                let given = Checksums::of(algorithm, &value);
                let by_header = PutOptions { checksums: given.clone(), ..PutOptions::default() };
                let trailer = Trailer::new(move || Ok(given.clone()));
                let by_trailer =
                    PutOptions { trailer: Some(trailer), count: vec![algorithm], ..PutOptions::default() };
                for options in [by_header, by_trailer] {
                    match put_with(&bucket, "k", &content, options).await {
                        Ok(object) => {
                            assert!(accepted);
                            assert_eq!(object.checksums.bytes(algorithm), Some(value.clone()));
                        }
                        Err(Error::BadDigest { algorithm: told, .. }) => {
                            assert!(!accepted && told == algorithm);
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn an_object_of_parts_has_the_checksum_its_upload_was_begun_with() {
    let place = Place::new();
    let bucket = place.open().await;
    let content = pattern(250);
    let counted = PutOptions { count: vec![Algorithm::Crc32c, Algorithm::Sha256], ..PutOptions::default() };
    let whole = put_with(&bucket, "whole", &content, counted).await.unwrap().checksums;
    let run = async |algorithm, kind, options: CompleteOptions| {
        let checksum = Some(UploadChecksum { algorithm, kind });
        let id = bucket.create_multipart("k", CreateOptions { checksum, ..CreateOptions::default() }).await?;
        let mut claimed = Vec::new();
        for (number, part) in (1..).zip(content.chunks(100)) {
            let part = bucket.upload_part_with(
                "k",
                &id,
                number,
                body(part, 9),
                part.len() as u64,
                PartOptions::default(),
            );
            let part = part.await?;
            claimed.push(ClaimedPart { number, etag: part.etag, checksums: part.checksums });
        }
        bucket.complete_multipart_with("k", &id, claimed, options).await
    };
    let given = CompleteOptions {
        checksums: Checksums::of(Algorithm::Crc32c, &whole.bytes(Algorithm::Crc32c).unwrap()),
        size: Some(250),
        ..CompleteOptions::default()
    };
    let object = run(Algorithm::Crc32c, ChecksumKind::Whole, given).await.unwrap();
    assert_eq!(object.checksums.get(Algorithm::Crc32c), whole.get(Algorithm::Crc32c));
    assert_eq!((object.checksum_kind, object.parts()), (ChecksumKind::Whole, Some(3)));
    let object = run(Algorithm::Sha256, ChecksumKind::Composite, CompleteOptions::default()).await.unwrap();
    assert_ne!(object.checksums.get(Algorithm::Sha256), whole.get(Algorithm::Sha256));
    assert_eq!(bucket.head("k").await.unwrap(), Some(object));
    let parts = bucket.object_parts("k", 1, 10).await.unwrap().unwrap();
    assert_eq!(parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(), [(2, 100), (3, 50)]);
    assert!(parts.iter().all(|part| part.checksums.get(Algorithm::Sha256).is_some()));

    let refused = run(Algorithm::Sha256, ChecksumKind::Whole, CompleteOptions::default()).await;
    assert!(matches!(refused, Err(Error::InvalidArgument(_))));
    let wrong =
        CompleteOptions { checksums: Checksums::of(Algorithm::Crc32, &[0; 4]), ..CompleteOptions::default() };
    assert!(matches!(run(Algorithm::Crc32, ChecksumKind::Whole, wrong).await, Err(Error::BadDigest { .. })));
    let wrong = CompleteOptions { size: Some(249), ..CompleteOptions::default() };
    assert!(matches!(run(Algorithm::Crc32, ChecksumKind::Whole, wrong).await, Err(Error::IncompleteBody)));
    let wrong = CompleteOptions { conditions: if_absent(), ..CompleteOptions::default() };
    assert!(matches!(
        run(Algorithm::Crc32, ChecksumKind::Whole, wrong).await,
        Err(Error::PreconditionFailed)
    ));
}

#[tokio::test]
async fn a_copy_has_the_bytes_and_the_metadata_it_was_told() {
    let place = Place::new();
    let bucket = place.open().await;
    let http = |content_type: &str, language: Option<&str>| HttpMetadata {
        content_type: Some(content_type.to_owned()),
        content_language: language.map(str::to_owned),
        ..HttpMetadata::default()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let options = PutOptions {
        http: http("text/plain", Some("en")),
        custom: pairs(&[("a", "1"), ("b", "2")]),
        count: vec![Algorithm::Crc64nvme],
        ..PutOptions::default()
    };
    let content = pattern(100_000);
    let source = put_with(&bucket, "source", &content, options).await.unwrap();
    let (new, over) = (http("text/html", None), pairs(&[("b", "3"), ("c", "4")]));
    let cases = [
        (CopyMetadata::Copy, source.http.clone(), source.custom.clone()),
        (CopyMetadata::Replace { http: new.clone(), custom: over.clone() }, new.clone(), over.clone()),
        (
            CopyMetadata::Merge { http: new, custom: over },
            http("text/html", Some("en")),
            pairs(&[("a", "1"), ("b", "3"), ("c", "4")]),
        ),
    ];
    for (metadata, http, custom) in cases {
        let options =
            CopyOptions { metadata, class: Some(StorageClass::InfrequentAccess), ..CopyOptions::default() };
        let copy = bucket.copy("copy", &bucket, "source", options).await.unwrap();
        assert_eq!((&copy.http, &copy.custom), (&http, &custom));
        assert_eq!((&copy.etag, &copy.checksums), (&source.etag, &source.checksums));
        assert_eq!(copy.class, StorageClass::InfrequentAccess);
        assert_eq!(get(&bucket, "copy").await.unwrap(), content);
    }
    let refused = |options| bucket.copy("copy", &bucket, "source", options);
    let unmet = CopyOptions { source_conditions: if_etag("other"), ..CopyOptions::default() };
    assert!(matches!(refused(unmet).await, Err(Error::PreconditionFailed)));
    let unmet = CopyOptions { conditions: if_absent(), ..CopyOptions::default() };
    assert!(matches!(refused(unmet).await, Err(Error::PreconditionFailed)));
    let missing = bucket.copy("copy", &bucket, "none", CopyOptions::default()).await;
    assert!(matches!(missing, Err(Error::NoSuchKey)));
    place.settle(2).await;
}

#[tokio::test]
async fn parts_can_be_copied_and_uploads_and_parts_listed() {
    let place = Place::new();
    let bucket = place.open().await;
    let content = pattern(100_000);
    put(&bucket, "source", &content).await;
    let mut ids = Vec::new();
    for key in ["a/1", "a/2", "b", "b", "c"] {
        place.clock.advance(1);
        ids.push(bucket.create_multipart(key, CreateOptions::default()).await.unwrap());
    }
    for number in [3, 1, 2] {
        let range = Some(Range::From { offset: u64::from(number) * 10, length: Some(20) });
        let options = PartCopyOptions { range, ..PartCopyOptions::default() };
        bucket.upload_part_copy("b", &ids[2], number, (&bucket, "source"), options).await.unwrap();
    }
    let parts = bucket.list_parts("b", &ids[2], 0, Some(2)).await.unwrap();
    assert_eq!(parts.parts.iter().map(|p| (p.number, p.size)).collect::<Vec<_>>(), [(1, 20), (2, 20)]);
    assert!(parts.truncated && parts.upload.id == ids[2]);
    let parts = bucket.list_parts("b", &ids[2], 2, Some(2)).await.unwrap();
    assert!(!parts.truncated && parts.parts.len() == 1);
    assert!(matches!(bucket.list_parts("c", &ids[2], 0, None).await, Err(Error::NoSuchUpload)));

    // Page by page, with and without groups.
    let pages = async |delimiter: &str| {
        let mut options =
            ListUploads { limit: Some(1), delimiter: delimiter.to_owned(), ..ListUploads::default() };
        let mut seen = Vec::new();
        loop {
            let page = bucket.list_uploads(&options).await.unwrap();
            seen.extend(page.uploads.into_iter().map(|u| (u.key, ids.iter().position(|id| *id == u.id))));
            seen.extend(page.groups.into_iter().map(|group| (group, None)));
            if !page.truncated {
                return seen;
            }
            let (key, id) = page.next.unwrap();
            (options.key_marker, options.upload_id_marker) = (Some(key), id);
        }
    };
    let entry = |key: &str, n: usize| (key.to_owned(), Some(n));
    let all = [entry("a/1", 0), entry("a/2", 1), entry("b", 2), entry("b", 3), entry("c", 4)];
    assert_eq!(pages("").await, all);
    assert_eq!(pages("/").await, [&[("a/".to_owned(), None)], &all[2..]].concat());
    let claimed = bucket.list_parts("b", &ids[2], 0, None).await.unwrap().parts;
    let claimed = claimed.into_iter().map(|part| ClaimedPart::new(part.number, part.etag)).collect();
    bucket.complete_multipart("b", &ids[2], claimed).await.unwrap();
    let expected = [&content[10..30], &content[20..40], &content[30..50]].concat();
    assert_eq!(get(&bucket, "b").await.unwrap(), expected);
    let part = GetOptions { range: Some(Range::Part(2)), ..GetOptions::default() };
    assert_eq!(read(&bucket, "b", part.clone()).await.unwrap(), content[20..40]);
    let Head::Found(_, span) = bucket.head_with("b", &part).await.unwrap() else { panic!("it is there") };
    assert_eq!((span.offset, span.length), (20, 20));
    let none = GetOptions { range: Some(Range::Part(4)), ..GetOptions::default() };
    assert!(matches!(read(&bucket, "b", none).await, Err(Error::InvalidRange)));
    assert_eq!(pages("").await, [&all[..2], &all[3..]].concat(), "a complete one is no longer listed");
}

#[tokio::test]
async fn deletes_can_have_conditions_each() {
    let place = Place::new();
    let bucket = place.open().await;
    let object = put(&bucket, "a", &[1; 100]).await;
    put(&bucket, "b", b"b").await;
    assert!(matches!(bucket.delete_if("a", if_etag("other")).await, Err(Error::PreconditionFailed)));
    let keys = [("a", if_etag(&object.etag)), ("b", if_etag("other")), ("c", Conditions::default())];
    let keys = keys.map(|(key, conditions)| (key.to_owned(), conditions)).to_vec();
    let outcomes = bucket.delete_each(keys).await.unwrap();
    assert!(matches!(outcomes[..], [Ok(true), Err(Error::PreconditionFailed), Ok(false)]), "{outcomes:?}");
    assert_eq!((get(&bucket, "a").await, get(&bucket, "b").await), (None, Some(b"b".to_vec())));
    place.settle(0).await;
}

#[tokio::test]
async fn buckets_come_and_go() {
    let place = Place::new();
    let store = Store::open(place.directory.path(), place.clock.clone(), LIMITS).unwrap();
    let options = BucketOptions { location: Some("weur".to_owned()), class: StorageClass::InfrequentAccess };
    let bucket = store.create_bucket("photos", &options).await.unwrap();
    assert!(matches!(store.create_bucket("photos", &options).await, Err(Error::BucketConflict)));
    for name in ["", "ab", "-abc", "abc-", "Abc", "a_b", "a.b", &"a".repeat(64)] {
        let refused = store.create_bucket(name, &options).await;
        assert!(matches!(refused, Err(Error::InvalidBucketName)), "{name}");
    }
    for name in ["albums", "zoo"] {
        store.create_bucket(name, &BucketOptions::default()).await.unwrap();
    }
    assert_eq!(put(&bucket, "k", &[1; 100]).await.class, StorageClass::InfrequentAccess);
    assert!(
        matches!(store.delete_bucket("photos").await, Err(Error::BucketNotEmpty(name)) if name == "photos")
    );
    put(&bucket, "still", b"open").await;
    bucket.delete(vec!["k".to_owned(), "still".to_owned()]).await.unwrap();
    let upload = bucket.create_multipart("k", CreateOptions::default()).await.unwrap();
    bucket.upload_part("k", &upload, 1, body(&[1; 100], 10), 100).await.unwrap();

    let created = bucket.created();
    drop((store, bucket));
    let store = Store::open(place.directory.path(), place.clock.clone(), LIMITS).unwrap();
    let info = store.bucket_info("photos").await.unwrap();
    assert_eq!((info.options, info.created), (options, created));
    let names = async |limit, after: Option<&str>| {
        let options = ListBuckets { limit, start_after: after.map(str::to_owned), ..ListBuckets::default() };
        let page = store.list_buckets(&options).await.unwrap();
        (page.buckets.into_iter().map(|info| info.name).collect::<Vec<_>>(), page.truncated)
    };
    assert_eq!(names(Some(2), None).await, (vec!["albums".to_owned(), "photos".to_owned()], true));
    assert_eq!(names(Some(2), Some("photos")).await, (vec!["zoo".to_owned()], false));
    let old = store.existing_bucket("photos").await.unwrap();
    store.delete_bucket("photos").await.unwrap();
    assert!(matches!(old.head("k").await, Err(Error::NoSuchBucket)));
    assert!(matches!(put_with(&old, "k", b"x", PutOptions::default()).await, Err(Error::NoSuchBucket)));
    assert!(matches!(store.existing_bucket("photos").await, Err(Error::NoSuchBucket)));
    assert!(matches!(store.delete_bucket("photos").await, Err(Error::NoSuchBucket)));
    assert_eq!(names(None, None).await.0, ["albums", "zoo"]);
    assert!(!place.directory.path().join("photos").exists(), "no file is left");
    // A new one of the name has nothing of the old, also while somebody still has the old.
    let new = store.create_bucket("photos", &BucketOptions::default()).await.unwrap();
    put(&new, "new", &[1; 100]).await;
    drop(old);
    assert_eq!(get(&new, "new").await.unwrap(), [1; 100]);
    assert_eq!(new.list_uploads(&ListUploads::default()).await.unwrap().uploads, []);
}
