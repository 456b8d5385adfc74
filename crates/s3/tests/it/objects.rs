//! One object at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::support::{Request, Server, delete, get, head, post, put};

#[tokio::test]
async fn an_object_comes_back_with_what_was_said_of_it() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let put = put("/bkt/k")
        .header("content-type", "text/css")
        .header("content-language", "de")
        .header("content-disposition", "attachment")
        .header("content-encoding", "gzip")
        .header("cache-control", "no-store")
        .header("expires", "Sun, 22 Nov 2026 07:18:00 GMT")
        .header("x-amz-meta-one", "1")
        .header("x-amz-meta-size", "=?UTF-8?B?Z3LDtsOfZQ==?=")
        .header("x-amz-storage-class", "STANDARD_IA")
        .header("x-amz-acl", "public-read")
        .body("hello");
    let stored = server.must(put).await;
    assert_eq!(stored.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    for read in [get("/bkt/k"), head("/bkt/k")] {
        let found = server.must(read).await;
        for (name, value) in [
            ("content-type", "text/css"),
            ("content-language", "de"),
            ("content-disposition", "attachment"),
            ("content-encoding", "gzip"),
            ("cache-control", "no-store"),
            ("expires", "Sun, 22 Nov 2026 07:18:00 GMT"),
            ("x-amz-meta-one", "1"),
            ("x-amz-meta-size", "=?UTF-8?B?Z3LDtsOfZQ==?="),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("etag", "\"5d41402abc4b2a76b9719d911017c592\""),
            ("content-length", "5"),
            ("accept-ranges", "bytes"),
        ] {
            assert_eq!(found.header(name), value, "{name}");
        }
        assert!(!found.header("last-modified").is_empty() && !found.header("x-amz-request-id").is_empty());
    }
    let object = server.store.existing_bucket("bkt").await.unwrap().head("k").await.unwrap().unwrap();
    assert!(object.custom.contains(&("size".to_owned(), "größe".to_owned())), "{:?}", object.custom);
    assert_eq!(server.must(get("/bkt/k?response-content-type=a%2Fb")).await.header("content-type"), "a/b");
    server.must(delete("/bkt/k")).await;
    server.must(delete("/bkt/k")).await;
    assert_eq!(server.ask(head("/bkt/k")).await.status, 404);
}

#[tokio::test]
async fn a_range_is_a_part_of_it() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let body: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    server.must(put("/bkt/k").body(body.clone())).await;
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=1000-200999", 1000, 201_000),
        ("bytes=299999-", 299_999, 300_000),
        ("bytes=-7", 299_993, 300_000),
        ("bytes=10-900000", 10, 300_000),
        ("bytes=-900000", 0, 300_000),
    ] {
        let found = server.ask(get("/bkt/k").header("range", range)).await;
        assert_eq!(found.status, 206, "{range}");
        assert_eq!(found.body, body[from..to], "{range}");
        assert_eq!(found.header("content-range"), format!("bytes {from}-{}/300000", to - 1));
        let found = server.ask(head("/bkt/k").header("range", range)).await;
        assert_eq!((found.status, found.header("content-length")), (206, (to - from).to_string().as_str()));
    }
    for range in ["bytes=300000-", "bytes=400000-500000", "bytes=-0"] {
        let refused = server.ask(get("/bkt/k").header("range", range)).await;
        assert_eq!(refused.refusal(), "416 InvalidRange", "{range}");
    }
    server.must(put("/bkt/empty")).await;
    assert_eq!(
        server.ask(get("/bkt/empty").header("range", "bytes=0-1")).await.refusal(),
        "416 InvalidRange"
    );
}

#[tokio::test]
async fn conditions_hold_for_reading_and_writing() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let etag = server.must(put("/bkt/k").body("1")).await.header("etag").to_owned();
    let date = server.must(head("/bkt/k")).await.header("last-modified").to_owned();
    let (long_ago, never) = ("Sun, 01 Jan 2006 00:00:00 GMT", "Sun, 01 Jan 2096 00:00:00 GMT");
    let table = [
        ("if-match", etag.as_str(), 200, true),
        ("if-match", "*", 200, true),
        ("if-match", "\"other\"", 412, false),
        ("if-none-match", etag.as_str(), 304, false),
        ("if-none-match", "*", 304, false),
        ("if-none-match", "\"other\"", 200, true),
        ("if-modified-since", date.as_str(), 304, false),
        ("if-modified-since", long_ago, 200, true),
        ("if-unmodified-since", date.as_str(), 200, true),
        ("if-unmodified-since", long_ago, 412, false),
    ];
    for (name, value, status, _) in &table {
        for read in [get("/bkt/k"), head("/bkt/k")] {
            let found = server.ask(read.header(name, *value)).await;
            assert_eq!(found.status, *status, "{name}: {value}");
        }
    }
    for (name, value, _, holds) in &table {
        let put = server.ask(put("/bkt/k").header(name, *value).body("1")).await;
        assert_eq!(put.status, if *holds { 200 } else { 412 }, "{name}: {value}");
    }
    assert_eq!(server.ask(put("/bkt/new").header("if-match", "*")).await.refusal(), "412 PreconditionFailed");
    assert_eq!(server.ask(put("/bkt/new").header("if-none-match", "*")).await.status, 200);
    assert_eq!(
        server.ask(delete("/bkt/k").header("if-match", "\"other\"")).await.refusal(),
        "412 PreconditionFailed"
    );
    assert_eq!(server.ask(delete("/bkt/k").header("if-unmodified-since", never)).await.status, 204);
    assert_eq!(server.ask(get("/bkt/k")).await.status, 404);
    assert_eq!(server.ask(delete("/bkt/k").header("if-match", "\"other\"")).await.status, 204);
}

#[tokio::test]
async fn a_copy_takes_merges_or_leaves_metadata() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    server.bucket("other").await;
    let source = put("/bkt/a%20b").header("content-type", "text/css").header("x-amz-meta-a", "1");
    let etag = server.must(source.header("x-amz-meta-b", "1").body("x")).await.header("etag").to_owned();
    let copy = |to: &str| put(to).header("x-amz-copy-source", "bkt/a%20b");
    let made = server.must(copy("/other/k")).await;
    assert_eq!(made.element("ETag"), etag);
    let found = server.must(head("/other/k")).await;
    assert_eq!((found.header("content-type"), found.header("x-amz-meta-a")), ("text/css", "1"));

    let replace = copy("/other/k").header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-c", "2");
    server.must(replace).await;
    let found = server.must(head("/other/k")).await;
    let seen = ["a", "c"].map(|name| found.header(&format!("x-amz-meta-{name}")).to_owned());
    assert_eq!(
        (found.header("content-type"), seen),
        ("application/octet-stream", ["", "2"].map(str::to_owned))
    );

    let merge = copy("/other/k").header("x-amz-metadata-directive", "MERGE").header("x-amz-meta-b", "2");
    server.must(merge).await;
    let found = server.must(head("/other/k")).await;
    let seen = ["a", "b", "c"].map(|name| found.header(&format!("x-amz-meta-{name}")).to_owned());
    assert_eq!((found.header("content-type"), seen), ("text/css", ["1", "2", ""].map(str::to_owned)));

    let refused = async |request: Request| server.ask(request).await.refusal();
    assert_eq!(refused(copy("/bkt/a%20b")).await, "400 InvalidRequest");
    let failed = "412 PreconditionFailed";
    assert_eq!(refused(copy("/other/k").header("x-amz-copy-source-if-match", "\"no\"")).await, failed);
    assert_eq!(refused(copy("/other/k").header("x-amz-copy-source-if-none-match", &etag)).await, failed);
    assert_eq!(refused(copy("/other/k").header("cf-copy-destination-if-none-match", "*")).await, failed);
    assert_eq!(refused(copy("/other/new").header("cf-copy-destination-if-match", "*")).await, failed);
    server.must(copy("/other/new").header("cf-copy-destination-if-none-match", "*")).await;
    let missing = |source: &str| put("/other/k").header("x-amz-copy-source", source);
    assert_eq!(refused(missing("/bkt/none")).await, "404 NoSuchKey");
    assert_eq!(refused(missing("/none/k")).await, "404 NoSuchBucket");
    assert_eq!(refused(missing("/bkt/a%20b?versionId=1")).await, "501 NotImplemented");
}

fn with_key(request: Request, prefix: &str, key: &[u8]) -> Request {
    request
        .header(&format!("{prefix}algorithm"), "AES256")
        .header(&format!("{prefix}key"), STANDARD.encode(key))
        .header(&format!("{prefix}key-md5"), STANDARD.encode(Md5::digest(key)))
}

#[tokio::test]
async fn an_encrypted_object_needs_its_key() {
    const OWN: &str = "x-amz-server-side-encryption-customer-";
    const SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer-";
    let server = Server::start().await;
    server.bucket("bkt").await;
    let (key, wrong) = ([7; 32], [8; 32]);
    let body: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let stored = server.must(with_key(put("/bkt/k").body(body.clone()), OWN, &key)).await;
    assert_eq!(stored.header(&format!("{OWN}key-md5")), STANDARD.encode(Md5::digest(key)));
    assert_eq!(server.must(with_key(get("/bkt/k"), OWN, &key)).await.body, body);
    let part = server.ask(with_key(get("/bkt/k").header("range", "bytes=70000-140000"), OWN, &key)).await;
    assert_eq!(part.body, body[70_000..=140_000]);
    assert_eq!(server.ask(get("/bkt/k")).await.refusal(), "400 InvalidArgument");
    assert_eq!(server.ask(head("/bkt/k")).await.status, 400);
    assert_eq!(server.ask(with_key(get("/bkt/k"), OWN, &wrong)).await.refusal(), "403 AccessDenied");
    let md5 = with_key(get("/bkt/k"), OWN, &key).header(&format!("{OWN}nothing"), "x");
    assert_eq!(server.ask(md5).await.status, 200);
    let copy = put("/bkt/copy").header("x-amz-copy-source", "/bkt/k");
    assert_eq!(server.ask(copy.clone()).await.refusal(), "400 InvalidArgument");
    server.must(with_key(copy, SOURCE, &key)).await;
    assert_eq!(server.must(get("/bkt/copy")).await.body, body);
}

#[tokio::test]
async fn checksums_are_held_against_the_body() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let good = [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
        ("x-amz-checksum-crc32", "NhCmhg=="),
        ("x-amz-checksum-crc32c", "mnG7TA=="),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    ];
    for (name, value) in good {
        server.must(put("/bkt/k").header(name, value).body("hello")).await;
        let bad = server.ask(put("/bkt/k").header(name, value).body("hallo")).await;
        assert_eq!(bad.refusal(), "400 BadDigest", "{name}");
        let none = server.ask(put("/bkt/k").header(name, "x").body("hello")).await;
        assert_eq!(none.refusal(), "400 InvalidDigest", "{name}");
    }
    let found = server.must(head("/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!(found.header("x-amz-checksum-sha256"), good[4].1);
    assert_eq!(server.must(head("/bkt/k")).await.header("x-amz-checksum-sha256"), "");
}

#[tokio::test]
async fn several_objects_go_at_once_and_each_has_its_answer() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    for key in ["a", "b", "c"] {
        server.must(put(&format!("/bkt/{key}")).body(key)).await;
    }
    let keys = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a</Key></Object>\
                <Object><Key>b</Key><ETag>\"no\"</ETag></Object><Object><Key>none</Key></Object>\
                <Object><Key>c</Key><VersionId>v1</VersionId></Object></Delete>";
    let answer = server.must(post("/bkt?delete").body(keys)).await;
    assert_eq!(answer.elements("Deleted").len(), 2);
    assert_eq!(answer.elements("Code"), ["NotImplemented", "PreconditionFailed"]);
    let left = server.must(get("/bkt")).await;
    assert_eq!(left.elements("Key"), ["b", "c"]);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>b</Key></Object></Delete>";
    assert!(!server.must(post("/bkt?delete").body(quiet)).await.text().contains("<Deleted>"));
    let many: Vec<String> = (0..1001).map(|n| format!("<Object><Key>{n}</Key></Object>")).collect();
    let many = server.ask(post("/bkt?delete").body(format!("<Delete>{}</Delete>", many.concat()))).await;
    assert_eq!(many.refusal(), "400 MalformedXML");
    assert_eq!(server.ask(post("/bkt?delete").body("<Delete></Delete>")).await.refusal(), "400 MalformedXML");
}
