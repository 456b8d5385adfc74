//! Objects in parts.

use selvedge_r2::Limits;

use crate::support::{Request, Server, delete, get, head, post, put};

/// Parts of a megabyte do here.
async fn server() -> Server {
    let limits = Limits { part_minimum: 1 << 20, ..Limits::default() };
    let server = Server::start_with(limits, std::time::Duration::from_mins(1)).await;
    server.bucket("bkt").await;
    server
}

async fn begin(server: &Server, request: Request) -> String {
    server.must(request).await.element("UploadId")
}

fn part(id: &str, number: u32, fill: u8) -> Request {
    put(&format!("/bkt/k?partNumber={number}&uploadId={id}")).body(vec![fill; 1 << 20])
}

fn complete(id: &str, parts: &[(u32, String)]) -> Request {
    let listed: Vec<String> = parts
        .iter()
        .map(|(number, etag)| format!("<Part><ETag>{etag}</ETag><PartNumber>{number}</PartNumber></Part>"))
        .collect();
    post(&format!("/bkt/k?uploadId={id}"))
        .body(format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", listed.concat()))
}

async fn send(server: &Server, id: &str, number: u32, fill: u8) -> (u32, String) {
    (number, server.must(part(id, number, fill)).await.header("etag").to_owned())
}

#[tokio::test]
async fn parts_become_an_object_that_remembers_them() {
    let server = server().await;
    let id = begin(&server, post("/bkt/k?uploads").header("content-type", "a/b")).await;
    // In any order, and one of them twice.
    let second = send(&server, &id, 2, 2).await;
    send(&server, &id, 1, 9).await;
    let first = send(&server, &id, 1, 1).await;
    let last = (7, server.must(part(&id, 7, 3).body("end")).await.header("etag").to_owned());
    let parts = server.must(get(&format!("/bkt/k?uploadId={id}&max-parts=2"))).await;
    assert_eq!(parts.elements("PartNumber"), ["1", "2"]);
    assert_eq!(
        (parts.element("IsTruncated"), parts.element("NextPartNumberMarker")),
        ("true".into(), "2".into())
    );
    let rest = server.must(get(&format!("/bkt/k?uploadId={id}&part-number-marker=2"))).await;
    assert_eq!((rest.elements("PartNumber"), rest.element("Size")), (vec!["7".to_owned()], "3".to_owned()));
    let uploads = server.must(get("/bkt?uploads")).await;
    assert_eq!((uploads.element("UploadId"), uploads.element("Key")), (id.clone(), "k".to_owned()));

    let done = server.must(complete(&id, &[first, second, last])).await;
    let etag = done.element("ETag");
    assert!(etag.ends_with("-3\""), "{etag}");
    let found = server.must(get("/bkt/k")).await;
    assert_eq!((found.body.len(), found.header("content-type")), ((2 << 20) + 3, "a/b"));
    assert_eq!(found.header("etag"), etag);
    let by_part = server.ask(get("/bkt/k?partNumber=2")).await;
    assert_eq!((by_part.status, by_part.header("x-amz-mp-parts-count")), (206, "3"));
    assert_eq!(by_part.body, vec![2; 1 << 20]);
    assert_eq!(server.ask(head("/bkt/k?partNumber=7")).await.header("content-length"), "3");
    assert_eq!(server.ask(get("/bkt/k?partNumber=4")).await.refusal(), "400 InvalidPart");
    assert!(server.must(get("/bkt?uploads")).await.elements("UploadId").is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_list_of_parts_is_said() {
    let server = server().await;
    let id = begin(&server, post("/bkt/k?uploads")).await;
    let first = send(&server, &id, 1, 1).await;
    let second = send(&server, &id, 2, 2).await;
    let refused = async |parts: &[(u32, String)]| server.ask(complete(&id, parts)).await.refusal();
    assert_eq!(refused(&[second.clone(), first.clone()]).await, "400 InvalidPartOrder");
    assert_eq!(refused(&[first.clone(), first.clone()]).await, "400 InvalidPartOrder");
    assert_eq!(refused(&[(1, "\"no\"".to_owned())]).await, "400 InvalidPart");
    assert_eq!(refused(&[first.clone(), (3, second.1.clone())]).await, "400 InvalidPart");
    assert_eq!(refused(&[]).await, "400 MalformedXML");
    let small = (1, server.must(part(&id, 1, 0).body("small")).await.header("etag").to_owned());
    assert_eq!(refused(&[small, second]).await, "400 EntityTooSmall");
    assert_eq!(server.ask(part(&id, 0, 0)).await.refusal(), "400 InvalidArgument");
    assert_eq!(server.ask(part(&id, 10_001, 0)).await.refusal(), "400 InvalidArgument");
    server.must(delete(&format!("/bkt/k?uploadId={id}"))).await;
    let gone = "404 NoSuchUpload";
    assert_eq!(server.ask(part(&id, 1, 0)).await.refusal(), gone);
    assert_eq!(server.ask(complete(&id, &[first])).await.refusal(), gone);
    assert_eq!(server.ask(get("/bkt/k?uploadId=none")).await.refusal(), gone);
    assert_eq!(server.ask(delete("/bkt/k?uploadId=none")).await.refusal(), gone);
}

#[tokio::test]
async fn a_part_can_be_a_range_of_an_object() {
    let server = server().await;
    let body: Vec<u8> = (0..3 << 20_u32).map(|n: u32| u8::try_from(n % 251).unwrap()).collect();
    server.must(put("/bkt/source").body(body.clone())).await;
    let id = begin(&server, post("/bkt/k?uploads")).await;
    let copy = |number: u32, range: &str| {
        put(&format!("/bkt/k?partNumber={number}&uploadId={id}"))
            .header("x-amz-copy-source", "/bkt/source")
            .header("x-amz-copy-source-range", range)
    };
    let mut parts = Vec::new();
    for (number, range) in [(1, "bytes=1048576-2097151"), (2, "bytes=10-19")] {
        let made = server.must(copy(number, range)).await;
        parts.push((number, made.element("ETag")));
    }
    assert_eq!(server.ask(copy(3, "bytes=0-3145728")).await.refusal(), "416 InvalidRange");
    for no in ["bytes=5-", "0-5", "bytes=9-5"] {
        assert_eq!(server.ask(copy(3, no)).await.refusal(), "400 InvalidArgument", "{no}");
    }
    server.must(complete(&id, &parts)).await;
    let expected = [&body[1 << 20..2 << 20], &body[10..20]].concat();
    assert!(server.must(get("/bkt/k")).await.body == expected);
}

#[tokio::test]
async fn completing_is_conditional() {
    let server = server().await;
    let etag = server.must(put("/bkt/k").body("old")).await.header("etag").to_owned();
    let id = begin(&server, post("/bkt/k?uploads")).await;
    let first = send(&server, &id, 1, 1).await;
    let parts = [first];
    let refused = server.ask(complete(&id, &parts).header("if-none-match", "*")).await;
    assert_eq!(refused.refusal(), "412 PreconditionFailed");
    assert_eq!(server.must(get("/bkt/k")).await.text(), "old");
    server.must(complete(&id, &parts).header("if-match", etag)).await;
    assert_eq!(server.must(get("/bkt/k")).await.body.len(), 1 << 20);
}

#[tokio::test]
async fn the_checksum_of_an_upload_is_made_of_its_parts() {
    let server = server().await;
    let create = post("/bkt/k?uploads").header("x-amz-checksum-algorithm", "CRC32");
    let id = begin(&server, create).await;
    let sent = server.must(part(&id, 1, 1)).await;
    let (etag, checksum) = (sent.header("etag").to_owned(), sent.header("x-amz-checksum-crc32").to_owned());
    assert!(!checksum.is_empty());
    let wrong = post(&format!("/bkt/k?uploadId={id}")).body(format!(
        "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber>\
         <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>"
    ));
    assert_eq!(server.ask(wrong).await.status, 400);
    let done = server.must(complete(&id, &[(1, etag)])).await;
    assert_eq!(done.element("ChecksumType"), "COMPOSITE");
    assert!(done.element("ChecksumCRC32").ends_with("-1"), "{}", done.text());
    let found = server.must(head("/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!(found.header("x-amz-checksum-crc32"), done.element("ChecksumCRC32"));
}
