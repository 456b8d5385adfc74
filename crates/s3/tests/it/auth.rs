//! Who may do what.

use selvedge_base::Clock as _;
use selvedge_catalog::Permission;
use selvedge_r2::PublicAccess;
use selvedge_s3::{SessionOptions, issue_session};

use crate::support::{Server, amz_date, delete, get, head, put, request};

#[tokio::test]
async fn only_the_right_secret_signs() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let date = amz_date(server.clock.now().secs());
    let wrong = get("/bkt/k").sign_at(&date, &server.key.id, "wrong");
    assert_eq!(server.send(&wrong).await.refusal(), "403 SignatureDoesNotMatch");
    let stranger = get("/bkt/k").sign_at(&date, "nobody", &server.key.secret);
    assert_eq!(server.send(&stranger).await.refusal(), "401 Unauthorized");
    assert_eq!(server.send(&get("/bkt/k")).await.refusal(), "401 Unauthorized");
    let old = get("/bkt/k").header("authorization", "AWS id:signature");
    assert_eq!(server.send(&old).await.refusal(), "400 InvalidRequest");
    let mut changed = get("/bkt/k").sign(&server, &server.key);
    changed.target = "/bkt/other".to_owned();
    assert_eq!(server.send(&changed).await.refusal(), "403 SignatureDoesNotMatch");
    assert_eq!(server.ask(get("/bkt/k")).await.refusal(), "404 NoSuchKey");
}

#[tokio::test]
async fn a_body_is_the_one_that_was_signed() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let mut changed = put("/bkt/k").body("signed").sign(&server, &server.key);
    changed.body = b"forged".to_vec();
    assert_eq!(server.send(&changed).await.refusal(), "400 XAmzContentSHA256Mismatch");
    assert_eq!(server.ask(get("/bkt/k")).await.refusal(), "404 NoSuchKey");
    let unsigned = put("/bkt/k").header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("any");
    server.must(unsigned).await;
    assert_eq!(server.must(get("/bkt/k")).await.text(), "any");
}

#[tokio::test]
async fn a_request_is_of_now() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let signed = get("/bkt/k").sign(&server, &server.key);
    server.clock.advance(15 * 60 * 1000);
    assert_eq!(server.send(&signed).await.refusal(), "404 NoSuchKey");
    server.clock.advance(1000);
    assert_eq!(server.send(&signed).await.refusal(), "403 RequestTimeTooSkewed");
}

#[tokio::test]
async fn a_presigned_url_does_one_thing_until_it_expires() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let upload = put("/bkt/a%20b%2Bc").body("body").presign(&server, "60");
    assert_eq!(server.send(&upload).await.status, 200);
    let download = get("/bkt/a%20b%2Bc").presign(&server, "60");
    assert_eq!(server.send(&download).await.text(), "body");
    assert_eq!(server.send(&download).await.text(), "body", "it can be used again");
    assert_eq!(server.send(&head("/bkt/a%20b%2Bc").presign(&server, "60")).await.status, 200);

    let mut other = download.clone();
    "DELETE".clone_into(&mut other.method);
    assert_eq!(server.send(&other).await.refusal(), "403 SignatureDoesNotMatch");
    let mut longer = download.clone();
    longer.target = longer.target.replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    assert_eq!(server.send(&longer).await.refusal(), "403 SignatureDoesNotMatch");
    let overridden = get("/bkt/a%20b%2Bc?response-content-type=text%2Fhtml").presign(&server, "60");
    assert_eq!(server.send(&overridden).await.header("content-type"), "text/html");

    assert_eq!(server.send(&delete("/bkt/a%20b%2Bc").presign(&server, "604800")).await.status, 204);
    let week = get("/bkt/a%20b%2Bc").presign(&server, "604801");
    assert_eq!(server.send(&week).await.refusal(), "403 AuthorizationQueryParametersError");
    server.clock.advance(61_000);
    assert_eq!(server.send(&download).await.refusal(), "403 ExpiredRequest");
    assert_eq!(server.send(&upload).await.refusal(), "403 ExpiredRequest");
}

#[tokio::test]
async fn each_key_has_its_reach() {
    let server = Server::start().await;
    server.bucket("one").await;
    server.bucket("two").await;
    let reader = server.make_key(Permission::ObjectReadOnly, Some(&["one"])).await;
    let writer = server.make_key(Permission::ObjectReadWrite, Some(&["one"])).await;
    let auditor = server.make_key(Permission::AdminReadOnly, None).await;
    let send = async |request: crate::support::Request, key| {
        let response = server.send(&request.sign(&server, key)).await;
        if response.status < 300 { "ok".to_owned() } else { response.refusal() }
    };
    let denied = "403 AccessDenied";
    assert_eq!(send(put("/one/k").body("x"), &writer).await, "ok");
    assert_eq!(send(put("/two/k").body("x"), &writer).await, denied);
    assert_eq!(send(put("/one/k"), &reader).await, denied);
    assert_eq!(send(get("/one/k"), &reader).await, "ok");
    assert_eq!(send(get("/one?list-type=2"), &reader).await, "ok");
    assert_eq!(send(get("/two/k"), &reader).await, denied);
    assert_eq!(send(get("/"), &reader).await, denied);
    assert_eq!(send(get("/"), &auditor).await, "ok");
    assert_eq!(send(put("/three"), &auditor).await, denied);
    assert_eq!(send(put("/three"), &writer).await, denied);
    assert_eq!(send(delete("/one/k"), &auditor).await, denied);
    // What is not in the path is looked at too.
    server.must(put("/two/k").body("hidden")).await;
    let copy = put("/one/copy").header("x-amz-copy-source", "/two/k");
    assert_eq!(send(copy, &writer).await, denied);
    let create = put("/one/k").header("cf-create-bucket-if-missing", "true").body("x");
    assert_eq!(send(create, &writer).await, "ok", "the bucket is there");
    // A key that is taken back is good for nothing.
    assert!(server.catalog.access_keys().remove(&writer.id).await.unwrap());
    assert_eq!(send(put("/one/k"), &writer).await, "401 Unauthorized");
}

#[tokio::test]
async fn temporary_credentials_are_less_than_their_key() {
    let server = Server::start().await;
    server.bucket("one").await;
    server.bucket("two").await;
    let options = SessionOptions {
        bucket: "one".to_owned(),
        permission: Permission::ObjectReadWrite,
        actions: None,
        prefixes: vec!["mine/".to_owned()],
        objects: Vec::new(),
        ttl: 60,
    };
    let made = issue_session(&server.key, options, server.clock.now());
    let date = amz_date(server.clock.now().secs());
    let sign = |request: crate::support::Request| {
        let request = request.header("x-amz-security-token", &made.session_token);
        request.sign_at(&date, &made.access_key_id, &made.secret_access_key)
    };
    assert_eq!(server.send(&sign(put("/one/mine/k").body("x"))).await.status, 200);
    assert_eq!(server.send(&sign(get("/one/mine/k"))).await.text(), "x");
    let denied = "403 AccessDenied";
    assert_eq!(server.send(&sign(put("/one/yours/k"))).await.refusal(), denied);
    assert_eq!(server.send(&sign(get("/two/mine/k"))).await.refusal(), denied);
    assert_eq!(server.send(&sign(get("/one?list-type=2"))).await.refusal(), denied);
    assert_eq!(server.send(&sign(get("/one?list-type=2&prefix=mine%2F"))).await.status, 200);
    let keys = "<Delete><Object><Key>mine/k</Key></Object><Object><Key>yours</Key></Object></Delete>";
    let several = sign(request("POST", "/one?delete=").body(keys));
    let answer = server.send(&several).await;
    assert_eq!((answer.element("Code").as_str(), answer.elements("Key").len()), ("AccessDenied", 2));
    // In a presigned URL the token is in the query.
    let presigned =
        get(&format!("/one/mine/k?X-Amz-Security-Token={}", crate::support::encoded(&made.session_token)))
            .presign_at(&date, "30", &made.access_key_id, &made.secret_access_key);
    assert_eq!(server.send(&presigned).await.refusal(), "404 NoSuchKey");
    // The secret without its token, and the token without the right secret, are nothing.
    let bare = get("/one/mine/k").sign_at(&date, &made.access_key_id, &made.secret_access_key);
    assert_eq!(server.send(&bare).await.refusal(), "403 SignatureDoesNotMatch");
    server.clock.advance(60_000);
    assert_eq!(server.send(&sign(get("/one/mine/k"))).await.refusal(), "400 ExpiredToken");
}

#[tokio::test]
async fn a_public_bucket_can_be_read_by_anybody() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    server.must(put("/bkt/k").header("cache-control", "max-age=60").body("hello")).await;
    assert_eq!(server.send(&get("/bkt/k")).await.refusal(), "401 Unauthorized");
    let bucket = server.store.existing_bucket("bkt").await.unwrap();
    bucket.set_public_access(PublicAccess { enabled: true }).await.unwrap();

    let found = server.send(&get("/bkt/k")).await;
    assert_eq!((found.status, found.text().as_str()), (200, "hello"));
    assert_eq!(found.header("cache-control"), "max-age=60");
    let by_host = get("/k").header("host", "bkt.localhost");
    assert_eq!(server.send(&by_host).await.text(), "hello");
    let part = server.send(&get("/bkt/k").header("range", "bytes=1-2")).await;
    assert_eq!((part.status, part.text().as_str()), (206, "el"));
    assert_eq!(part.header("content-range"), "bytes 1-2/5");
    let known = get("/bkt/k").header("if-none-match", found.header("etag"));
    let unchanged = server.send(&known).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), found.header("etag"));
    assert_eq!(server.send(&head("/bkt/k")).await.header("content-length"), "5");
    assert_eq!(server.send(&get("/bkt/none")).await.refusal(), "404 NoSuchKey");

    for refused in [get("/bkt"), get("/bkt?list-type=2"), put("/bkt/k"), delete("/bkt/k"), get("/")] {
        assert_eq!(server.send(&refused).await.refusal(), "401 Unauthorized", "{}", refused.target);
    }
    let html = get("/bkt/k?response-content-type=text%2Fhtml");
    assert_eq!(server.send(&html).await.refusal(), "400 InvalidRequest");
}
