use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use selvedge_d1::Database;
use serde_json::{Value, json};

use super::{request, start};
use crate::support::Service;

const SESSION: &str = "x-cf-d1-session-commit-token";

async fn post(service: &Service<Database>, target: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    service.send(request(target).body(Full::new(body.into())).unwrap()).await
}

async fn answer(service: &Service<Database>, target: &str, body: Value) -> Value {
    let response = post(service, target, body.to_string()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn results_have_the_format_that_was_asked_for() {
    let service = start().await;
    let sql = json!({ "sql": "SELECT ?1 a, ?2 a, ?3 b", "params": [1, "x", [1, 2]] });
    for (target, expected) in [
        (
            "/query?resultsFormat=ROWS_AND_COLUMNS",
            json!({ "columns": ["a", "a", "b"], "rows": [[1.0, "x", [1, 2]]] }),
        ),
        ("/execute?resultsFormat=NONE", json!([{ "a": "x", "b": [1, 2] }])),
        ("/query?resultsFormat=ARRAY_OF_OBJECTS", json!([{ "a": "x", "b": [1, 2] }])),
        ("/query", json!([{ "a": "x", "b": [1, 2] }])),
    ] {
        let answer = answer(&service, target, sql.clone()).await;
        assert_eq!(answer[0]["results"], expected, "{target}");
        assert_eq!(answer[0]["success"], true);
        assert!(answer[0]["meta"]["duration"].is_number());
        assert_eq!(answer[0]["meta"]["served_by"], "selvedge");
    }
}

#[tokio::test]
async fn a_failed_batch_is_one_error_and_nothing_is_left() {
    let service = start().await;
    let query = "/query?resultsFormat=ROWS_AND_COLUMNS";
    answer(&service, query, json!({ "sql": "CREATE TABLE t (a)" })).await;
    let batch =
        json!([{ "sql": "INSERT INTO t VALUES (1)", "params": [] }, { "sql": "SELEC", "params": [] }]);
    let failed = answer(&service, query, batch).await;
    assert_eq!(
        failed,
        json!({ "success": false, "error": "near \"SELEC\": syntax error at offset 0: SQLITE_ERROR" })
    );
    let count = answer(&service, query, json!({ "sql": "SELECT count(*) n FROM t" })).await;
    assert_eq!(count[0]["results"]["rows"], json!([[0]]));
}

#[tokio::test]
async fn a_bookmark_answers_a_session_and_nobody_else() {
    let service = start().await;
    let body = || Full::new(Bytes::from_static(b"{\"sql\":\"SELECT 1\",\"params\":[]}"));
    let plain = service.send(request("/query").body(body()).unwrap()).await;
    assert!(!plain.headers().contains_key(SESSION));
    for token in [
        "first-primary",
        "first-unconstrained",
        "00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683",
    ] {
        let request = request("/query").header(SESSION, token).body(body()).unwrap();
        let answered = service.send(request).await;
        let bookmark = answered.headers()[SESSION].to_str().unwrap().to_owned();
        assert_eq!(bookmark.split('-').map(str::len).collect::<Vec<_>>(), [8, 8, 8, 32]);
    }
}

#[tokio::test]
async fn every_number_is_a_double_as_javascript_has_it() {
    let service = start().await;
    let body = r#"{"sql":"SELECT typeof(?1) a, typeof(?2) b, ?3 c, typeof(?4) d","params":[1,1.5,9223372036854775807,true]}"#;
    let response = post(&service, "/query", body).await;
    let text = str::from_utf8(response.body()).unwrap();
    assert!(text.contains(r#"[{"a":"real","b":"real","c":9.223372036854776e+18,"d":"integer"}]"#), "{text}");
}

#[tokio::test]
async fn bad_requests_are_answered_in_json_after_they_were_read() {
    let service = start().await;
    for (body, needle) in [
        ("", "The request is not what D1 expects"),
        ("{\"sql\":1}", "The request is not what D1 expects"),
        ("{\"sql\":\"SELECT ?\",\"params\":[{}]}", "a number, a string, null or an array of bytes"),
        ("{\"sql\":\"SELECT ?\",\"params\":[[256]]}", "a byte is 0 to 255"),
        ("[]", "No SQL statements detected."),
        ("{\"sql\":\"SELECT ?\",\"params\":null}", "Wrong number of parameter bindings for SQL query."),
    ] {
        let response = post(&service, "/query", body).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer["success"], false, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(needle), "{answer}");
    }
    let huge = post(&service, "/query", vec![b' '; 65 * 1024 * 1024]).await;
    let answer: Value = serde_json::from_slice(huge.body()).unwrap();
    assert_eq!(answer["error"], "The request to D1 is larger than 64 MiB.");
    let dump = post(&service, "/dump", "").await;
    assert_eq!(dump.status(), StatusCode::NOT_FOUND);
    assert!(serde_json::from_slice::<Value>(dump.body()).unwrap()["error"].is_string());
}
