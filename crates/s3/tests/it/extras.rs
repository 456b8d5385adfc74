//! Operations that R2 does not have, where they are wanted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use selvedge_base::Clock as _;
use selvedge_s3::Extras;

use crate::support::{Request, Server, amz_date, get, hmac, post, put, scope, signing_key};

const BOUNDARY: &str = "x-boundary-x";

/// A form whose policy allows keys under `mine/` of up to ten bytes.
fn form(server: &Server, key: &str, file: &str, tamper: bool) -> Request {
    let date = amz_date(server.clock.now().secs());
    let credential = format!("{}/{}", server.key.id, scope(&date));
    let policy = format!(
        r#"{{"expiration":"2096-01-01T00:00:00Z","conditions":[{{"bucket":"bkt"}},["starts-with","$key","mine/"],
           ["content-length-range",0,10],{{"x-amz-date":"{date}"}},{{"x-amz-credential":"{credential}"}},
           {{"x-amz-algorithm":"AWS4-HMAC-SHA256"}},{{"success_action_status":"201"}}]}}"#
    );
    let policy = STANDARD.encode(policy);
    let mut signature = hex::encode(hmac(&signing_key(&date, &server.key.secret), &policy));
    if tamper {
        signature = signature.replace(|c: char| c.is_ascii_digit(), "0");
    }
    let fields = [
        ("key", key),
        ("policy", &policy),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", &date),
        ("x-amz-signature", &signature),
        ("success_action_status", "201"),
    ];
    let mut body: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .collect();
    body.push(format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
         Content-Type: text/plain\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
    ));
    post("/bkt")
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(body.concat())
}

#[tokio::test]
async fn a_form_uploads_what_its_policy_allows() {
    let server = Server::start_with_extras(Extras { forms: true, ..Extras::default() }).await;
    server.bucket("bkt").await;
    let made = server.send(&form(&server, "mine/k", "hello", false)).await;
    assert_eq!((made.status, made.element("Key").as_str()), (201, "mine/k"), "{}", made.text());
    assert_eq!(server.must(get("/bkt/mine/k")).await.text(), "hello");
    for (key, file, tamper) in
        [("yours/k", "hello", false), ("mine/l", "more than ten", false), ("mine/l", "x", true)]
    {
        let refused = server.send(&form(&server, key, file, tamper)).await;
        assert!(matches!(refused.status, 400 | 403), "{key} {file}: {} {}", refused.status, refused.text());
    }
    assert_eq!(server.must(get("/bkt")).await.elements("Key"), ["mine/k"]);
}

#[tokio::test]
async fn a_form_is_not_even_read_where_forms_are_not_wanted() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let refused = server.send(&form(&server, "mine/k", "hello", false)).await;
    assert_eq!(refused.refusal(), "501 NotImplemented");
    // The end of the form never comes, and the answer is there all the same.
    let mut bytes = form(&server, "mine/k", "hello", false).bytes();
    bytes.truncate(bytes.len() - 20);
    assert_eq!(server.send_raw(&bytes, false).await.refusal(), "501 NotImplemented");
}

#[tokio::test]
async fn the_attributes_of_an_object_are_those_that_are_asked_for() {
    let server = Server::start_with_extras(Extras { attributes: true, ..Extras::default() }).await;
    server.bucket("bkt").await;
    server.must(put("/bkt/k").header("x-amz-checksum-crc32", "NhCmhg==").body("hello")).await;
    let all =
        get("/bkt/k?attributes").header("x-amz-object-attributes", "ETag,ObjectSize,Checksum,StorageClass");
    let found = server.must(all).await;
    assert_eq!(found.element("ObjectSize"), "5");
    assert_eq!(found.element("ChecksumCRC32"), "NhCmhg==");
    assert_eq!(found.element("StorageClass"), "STANDARD");
    let size = get("/bkt/k?attributes").header("x-amz-object-attributes", "ObjectSize");
    assert_eq!(server.must(size).await.element("StorageClass"), "");
    let none = get("/bkt/k?attributes").header("x-amz-object-attributes", "Colour");
    assert_eq!(server.ask(none).await.refusal(), "400 InvalidArgument");
}
