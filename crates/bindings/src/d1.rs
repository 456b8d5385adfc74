//! D1 as the runtime's binding speaks it: SQL in JSON, rows in JSON, and always 200.

mod surrogates;

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use selvedge_d1::{Answer, Database, Format, Param, QueryError, Statement};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

use crate::body::{self, Body};

/// Carries a session's token in a request and a bookmark in the answer.
const SESSION_HEADER: &str = "x-cf-d1-session-commit-token";
/// Bytes of a request. A row of Cloudflare's two megabytes, all BLOB, is about eight as JSON.
const REQUEST_SIZE: usize = 64 * 1024 * 1024;

pub(crate) async fn handle(database: &Database, mut request: Request<Incoming>) -> Response<Body> {
    let is_query = matches!(request.uri().path(), "/query" | "/execute");
    if request.method() != Method::POST || !is_query {
        body::drain(request.body_mut()).await;
        // `dump()` was for databases of the alpha, whose files could be handed out whole.
        return failure(StatusCode::NOT_FOUND, "Not found");
    }
    let body = match read(request.body_mut()).await {
        Ok(body) => body,
        Err(text) => return failure(StatusCode::OK, text),
    };
    let statements = match parse(&body) {
        Ok(statements) => statements,
        Err(error) => {
            return failure(StatusCode::OK, &format!("The request is not what D1 expects: {error}"));
        }
    };
    drop(body);
    let format = format(request.uri());
    match database.query(statements, format, session(request.headers())).await {
        Ok(answer) => success(answer),
        Err(error) => {
            if let QueryError::Storage(source) = &error {
                tracing::error!(error = %selvedge_base::on_one_line(source), "a D1 database failed");
            }
            failure(StatusCode::OK, &error.to_string())
        }
    }
}

fn format(uri: &Uri) -> Format {
    let rows_and_columns =
        |query: &str| query.split('&').any(|pair| pair == "resultsFormat=ROWS_AND_COLUMNS");
    // `NONE` wants objects too: `run()` hands them to the user as they are.
    if uri.query().is_some_and(rows_and_columns) { Format::RowsAndColumns } else { Format::Objects }
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION_HEADER).map(|token| token.to_str().unwrap_or("unreadable"))
}

/// The whole body. What is too much is read too, and dropped: the runtime takes an early answer for a lost
/// connection.
async fn read(body: &mut Incoming) -> Result<Bytes, &'static str> {
    let expected = body.size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let mut whole = BytesMut::with_capacity(expected.unwrap_or(4096).min(REQUEST_SIZE));
    let mut is_too_large = expected.is_some_and(|size| size > REQUEST_SIZE);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err("Can't read from request stream because client disconnected.");
        };
        if let Ok(data) = frame.into_data() {
            is_too_large |= whole.len() + data.len() > REQUEST_SIZE;
            if is_too_large {
                whole = BytesMut::new();
            } else {
                whole.extend_from_slice(&data);
            }
        }
    }
    if is_too_large { Err("The request to D1 is larger than 64 MiB.") } else { Ok(whole.freeze()) }
}

/// One statement or an array of them.
fn parse(body: &[u8]) -> Result<Vec<Statement>, serde_json::Error> {
    parse_well_formed(body)
        .or_else(|error| surrogates::replace_lone(body).map_or(Err(error), |body| parse_well_formed(&body)))
}

fn parse_well_formed(body: &[u8]) -> Result<Vec<Statement>, serde_json::Error> {
    if body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        let statements: Vec<WireStatement> = serde_json::from_slice(body)?;
        return Ok(statements.into_iter().map(Statement::from).collect());
    }
    serde_json::from_slice(body).map(|one: WireStatement| vec![one.into()])
}

#[derive(Deserialize)]
struct WireStatement {
    sql: String,
    #[serde(default)]
    params: Option<Vec<WireParam>>,
}

impl From<WireStatement> for Statement {
    fn from(wire: WireStatement) -> Self {
        let params = wire.params.unwrap_or_default().into_iter().map(|param| param.0).collect();
        Self { sql: wire.sql, params }
    }
}

struct WireParam(Param);

impl<'de> Deserialize<'de> for WireParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParamVisitor).map(Self)
    }
}

struct ParamVisitor;

impl<'de> Visitor<'de> for ParamVisitor {
    type Value = Param;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a string, null or an array of bytes")
    }

    fn visit_unit<E>(self) -> Result<Param, E> {
        Ok(Param::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Param, E> {
        Ok(Param::Integer(value.into()))
    }

    // D1 binds every number as REAL, so that `typeof(?)` and `? / 2` are the same here, and every number is a
    // double in JavaScript. A column of type INTEGER stores it as an integer again.
    #[expect(clippy::cast_precision_loss, reason = "JavaScript wrote it, so a double can hold it")]
    fn visit_i64<E>(self, value: i64) -> Result<Param, E> {
        Ok(Param::Real(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "JavaScript wrote it, so a double can hold it")]
    fn visit_u64<E>(self, value: u64) -> Result<Param, E> {
        Ok(Param::Real(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Param, E> {
        Ok(Param::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Param, E> {
        Ok(Param::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Param, E> {
        Ok(Param::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Param, A::Error> {
        let mut blob = Vec::with_capacity(bytes.size_hint().unwrap_or(0));
        while let Some(byte) = bytes.next_element::<u64>()? {
            blob.push(u8::try_from(byte).map_err(|_| A::Error::custom("a byte is 0 to 255"))?);
        }
        Ok(Param::Blob(blob))
    }
}

fn success(answer: Answer) -> Response<Body> {
    let size = answer.outcomes.iter().map(|outcome| outcome.rows.len() + 320).sum();
    let mut out = Vec::with_capacity(size);
    for outcome in answer.outcomes {
        out.extend_from_slice(if out.is_empty() { b"[" } else { b"," });
        out.extend_from_slice(b"{\"success\":true,\"meta\":");
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut out, &outcome.meta);
        out.extend_from_slice(b",\"results\":");
        out.extend_from_slice(&outcome.rows);
        out.push(b'}');
    }
    out.push(b']');
    let mut response = body::json(StatusCode::OK, out);
    if let Some(bookmark) = answer.bookmark.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(SESSION_HEADER, bookmark);
    }
    response
}

/// One object, also for a batch: of an array the runtime would look at the first element only.
fn failure(status: StatusCode, text: &str) -> Response<Body> {
    body::json(status, serde_json::json!({ "success": false, "error": text }).to_string())
}
