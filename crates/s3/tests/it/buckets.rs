//! Buckets, and what is set on them.

use crate::support::{Server, delete, get, head, post, put, request};

#[tokio::test]
async fn buckets_come_and_go() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    assert_eq!(server.ask(put("/bkt")).await.refusal(), "409 BucketAlreadyOwnedByYou");
    assert_eq!(server.must(head("/bkt")).await.header("x-amz-bucket-region"), "auto");
    assert_eq!(server.ask(head("/none")).await.status, 404);
    assert!(server.must(get("/bkt?location")).await.text().contains("auto"));
    assert!(server.must(get("/bkt?encryption")).await.text().contains("AES256"));
    server.must(put("/bkt/k")).await;
    assert_eq!(server.ask(delete("/bkt")).await.refusal(), "409 BucketNotEmpty");
    server.must(delete("/bkt/k")).await;
    assert_eq!(server.must(delete("/bkt")).await.status, 204);
    assert_eq!(server.ask(delete("/bkt")).await.refusal(), "404 NoSuchBucket");
    assert_eq!(server.ask(get("/bkt/k")).await.refusal(), "404 NoSuchBucket");
    for bad in ["/ab", "/Upper", "/under_score", "/-dash", "/dot.ted"] {
        assert_eq!(server.ask(put(bad)).await.refusal(), "400 InvalidBucketName", "{bad}");
    }
    let region = |name: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{name}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    server.must(put("/here").body(region("weur"))).await;
    assert_eq!(
        server.ask(put("/there").body(region("mars"))).await.refusal(),
        "400 InvalidLocationConstraint"
    );
}

#[tokio::test]
async fn an_upload_can_make_its_bucket() {
    let server = Server::start().await;
    assert_eq!(server.ask(put("/bkt/k")).await.refusal(), "404 NoSuchBucket");
    server.must(put("/bkt/k").header("cf-create-bucket-if-missing", "true").body("x")).await;
    server.must(put("/bkt/k2").header("cf-create-bucket-if-missing", "true").body("x")).await;
    server.must(post("/two/k?uploads").header("cf-create-bucket-if-missing", "true")).await;
    assert_eq!(server.must(get("/")).await.elements("Name"), ["bkt", "two"]);
}

#[tokio::test]
async fn a_host_can_name_the_bucket() {
    let server = Server::start().await;
    server.must(put("/").header("host", "bkt.localhost:9000")).await;
    server.must(put("/dir/k").header("host", "bkt.localhost:9000").body("x")).await;
    assert_eq!(server.must(get("/bkt/dir/k")).await.text(), "x");
    assert_eq!(server.must(get("/").header("host", "localhost:9000")).await.elements("Name"), ["bkt"]);
}

#[tokio::test]
async fn what_r2_does_not_have_is_not_implemented() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    server.must(put("/bkt/k")).await;
    let bucket = [
        "accelerate",
        "acl",
        "logging",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "tagging",
        "versioning",
        "versions",
        "website",
        "analytics",
        "inventory",
        "metrics",
        "intelligent-tiering",
    ];
    for part in bucket {
        let answer = server.ask(get(&format!("/bkt?{part}"))).await;
        assert_eq!(answer.refusal(), "501 NotImplemented", "{part}");
    }
    for part in ["acl", "tagging", "torrent", "retention", "legal-hold", "attributes"] {
        let read = get(&format!("/bkt/k?{part}")).header("x-amz-object-attributes", "ETag");
        assert_eq!(server.ask(read).await.refusal(), "501 NotImplemented", "{part}");
    }
    for (name, value) in [
        ("x-amz-tagging", "a=b"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-website-redirect-location", "/x"),
    ] {
        let refused = server.ask(put("/bkt/k").header(name, value)).await;
        assert_eq!(refused.refusal(), "501 NotImplemented", "{name}");
        assert_eq!(
            refused.element("Message"),
            format!("Header '{name}' with value '{value}' not implemented")
        );
    }
    assert_eq!(server.ask(delete("/bkt/k?versionId=x")).await.refusal(), "501 NotImplemented");
    server.must(delete("/bkt/k?versionId=null")).await;
}

#[tokio::test]
async fn pages_of_other_origins_hear_what_the_rules_allow() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    server.must(put("/bkt/k").body("x")).await;
    assert_eq!(server.ask(get("/bkt?cors")).await.refusal(), "404 NoSuchCORSConfiguration");
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example</AllowedOrigin>\
                 <AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>\
                 <AllowedHeader>content-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
                 <MaxAgeSeconds>600</MaxAgeSeconds></CORSRule></CORSConfiguration>";
    server.must(put("/bkt?cors").body(rules)).await;
    let kept = server.must(get("/bkt?cors")).await;
    assert_eq!(kept.element("AllowedOrigin"), "https://app.example");

    let ask = |origin: &str, method: &str, headers: &str| {
        request("OPTIONS", "/bkt/k")
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", headers)
    };
    let may = server.send(&ask("https://app.example", "PUT", "content-type")).await;
    assert_eq!((may.status, may.header("access-control-allow-origin")), (200, "https://app.example"));
    assert_eq!(may.header("access-control-allow-methods"), "PUT, GET");
    assert_eq!(may.header("access-control-allow-headers"), "content-type");
    assert_eq!(may.header("access-control-max-age"), "600");
    for no in [
        ask("https://evil.example", "PUT", ""),
        ask("https://app.example", "DELETE", ""),
        ask("https://app.example", "PUT", "x-other"),
    ] {
        let no = server.send(&no).await;
        assert_eq!(
            (no.refusal(), no.header("access-control-allow-origin")),
            ("403 AccessForbidden".into(), "")
        );
    }
    assert_eq!(server.send(&request("OPTIONS", "/bkt/k")).await.refusal(), "400 BadRequest");

    let read = server.must(get("/bkt/k").header("origin", "https://app.example")).await;
    assert_eq!(read.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(read.header("access-control-expose-headers"), "ETag");
    assert!(read.header("vary").contains("Origin"));
    let other = server.must(get("/bkt/k").header("origin", "https://evil.example")).await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    let upload = put("/bkt/k").header("origin", "https://app.example").presign(&server, "60");
    assert_eq!(server.send(&upload).await.header("access-control-allow-origin"), "https://app.example");

    server.must(delete("/bkt?cors")).await;
    assert_eq!(server.send(&ask("https://app.example", "PUT", "")).await.refusal(), "403 AccessForbidden");
}

#[tokio::test]
async fn lifecycle_rules_come_back_and_hold() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let default = server.must(get("/bkt?lifecycle")).await;
    assert_eq!(default.element("DaysAfterInitiation"), "7");
    let rules = "<LifecycleConfiguration><Rule><ID>old</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status>\
                 <Expiration><Days>3</Days></Expiration></Rule>\
                 <Rule><ID>cold</ID><Filter><Prefix></Prefix></Filter><Status>Disabled</Status>\
                 <Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition></Rule>\
                 </LifecycleConfiguration>";
    server.must(put("/bkt?lifecycle").body(rules)).await;
    let kept = server.must(get("/bkt?lifecycle")).await;
    assert_eq!(kept.elements("ID"), ["old", "cold"]);
    assert_eq!(kept.elements("Days"), ["3", "30"]);
    assert_eq!(kept.elements("Status"), ["Enabled", "Disabled"]);
    let put_object = server.must(put("/bkt/tmp/k")).await;
    assert!(put_object.header("x-amz-expiration").ends_with("rule-id=\"old\""));
    let days = |text: &str| {
        format!(
            "<LifecycleConfiguration><Rule><ID>x</ID><Filter>{text}</Filter><Status>Enabled</Status><Expiration>\
             <Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
        )
    };
    let tagged = days("<Tag><Key>a</Key><Value>b</Value></Tag>");
    assert_eq!(server.ask(put("/bkt?lifecycle").body(tagged)).await.refusal(), "501 NotImplemented");
    let zero = days("<Prefix></Prefix>").replace("<Days>1", "<Days>0");
    assert_eq!(server.ask(put("/bkt?lifecycle").body(zero)).await.refusal(), "400 InvalidArgument");
    server.must(delete("/bkt?lifecycle")).await;
    assert_eq!(server.ask(get("/bkt?lifecycle")).await.refusal(), "404 NoSuchLifecycleConfiguration");
}
