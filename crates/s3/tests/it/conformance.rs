//! The conformance tests that the `object_store` crate has for stores, its conditional puts included, against this
//! endpoint.

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3ConditionalPut, S3CopyIfNotExists};
use object_store::integration as conformance;
use selvedge_remote::Connector;

use crate::support::Server;

fn store(server: &Server, change: impl FnOnce(AmazonS3Builder) -> AmazonS3Builder) -> AmazonS3 {
    let builder = AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", server.address))
        .with_allow_http(true)
        .with_access_key_id(&server.key.id)
        .with_secret_access_key(&server.key.secret)
        .with_region("auto")
        .with_bucket_name("conformance")
        .with_http_connector(Connector);
    change(builder).build().unwrap()
}

async fn start() -> Server {
    let server = Server::start().await;
    server.bucket("conformance").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_does_what_object_store_asks_of_one() {
    let server = start().await;
    let store = store(&server, |builder| builder);
    conformance::put_get_delete_list(&store).await;
    conformance::list_with_offset_exclusivity(&store).await;
    conformance::get_opts(&store).await;
    conformance::list_uses_directories_correctly(&store).await;
    conformance::list_with_delimiter(&store).await;
    conformance::list_paginated(&store, &store).await;
    conformance::rename_and_copy(&store).await;
    conformance::put_get_attributes(&store).await;
    let missing = conformance::get_nonexistent_object(&store, None).await.unwrap_err();
    assert!(matches!(missing, object_store::Error::NotFound { .. }), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_puts_are_exact() {
    let server = start().await;
    conformance::put_opts(&store(&server, |b| b.with_conditional_put(S3ConditionalPut::ETagMatch)), true)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_does_not_overwrite_where_it_shall_not() {
    let server = start().await;
    // R2's own header, and S3's.
    let header = "cf-copy-destination-if-none-match".to_owned();
    let with_status =
        S3CopyIfNotExists::HeaderWithStatus(header, "*".to_owned(), http::StatusCode::PRECONDITION_FAILED);
    for way in [with_status, S3CopyIfNotExists::Multipart] {
        conformance::copy_if_not_exists(&store(&server, |b| b.with_copy_if_not_exists(way))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_parts_arrive_whole() {
    let server = start().await;
    let store = store(&server, |builder| builder);
    conformance::stream_get(&store).await;
    conformance::multipart(&store, &store).await;
    conformance::multipart_with_opts(&store, &store).await;
    conformance::multipart_put_part_out_of_order(&store, &store).await;
    conformance::multipart_race_condition(&store, true).await;
    conformance::multipart_out_of_order(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_sign_and_to_sum_a_body_is_taken() {
    let server = start().await;
    let ways: [fn(AmazonS3Builder) -> AmazonS3Builder; 3] = [
        |b| b.with_unsigned_payload(true),
        |b| b.with_checksum_algorithm(Checksum::SHA256),
        |b| b.with_checksum_algorithm(Checksum::CRC64NVME),
    ];
    for way in ways {
        conformance::put_get_delete_list(&store(&server, way)).await;
    }
}
