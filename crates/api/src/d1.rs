//! `d1/database`: databases, queries, exports, imports and migrations.

mod transactions;
mod travel;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use selvedge_base::random_hex;
use selvedge_catalog::ResourceKind;
use selvedge_d1::{Database, ExportOptions, Format, MigrateError, Param, QueryError, Statement};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::envelope::{Outcome, Refused, paged, success};
use crate::request::Call;
use crate::server::Api;

/// Bytes of an import: it is held in memory, as it is one transaction.
const SCRIPT: usize = 4 << 30;

pub(crate) async fn answer(api: &Api, mut call: Call, path: &[&str]) -> Outcome {
    let method = call.method().clone();
    match (&method, path) {
        (&Method::GET, []) => list(api, &call).await,
        (&Method::POST, []) => create(api, &mut call).await,
        (_, [which, rest @ ..]) => {
            if (&method, rest) == (&Method::PUT, &["selvedge", "file"]) {
                return adopt(api, call, which).await;
            }
            let (id, name) = find(api, which).await?;
            if (&method, rest) == (&Method::DELETE, &[]) {
                return delete(api, &id).await;
            }
            if (&method, rest) == (&Method::POST, &["selvedge", "check"]) {
                // Also one that cannot be opened.
                return success(api.d1.check(&id, call.query("repair").is_some()).await?);
            }
            let database = api.d1.database(&id).await.map_err(|error| Refused::internal(&error))?;
            match (&method, rest) {
                (&Method::GET, []) => info(api, &database, &id, &name).await,
                (&Method::POST, ["query"]) => query(&database, &mut call, Format::Objects).await,
                (&Method::POST, ["raw"]) => query(&database, &mut call, Format::RowsAndColumns).await,
                (&Method::GET, ["selvedge", "export"]) => Ok(export(&database, &call)),
                (&Method::PUT, ["selvedge", "import"]) => import(&database, &mut call).await,
                (&Method::GET, ["time_travel", "bookmark"]) => travel::bookmark(&database, &call).await,
                (&Method::POST, ["time_travel", "restore"]) => travel::restore(&database, &call).await,
                (&Method::POST, ["time_travel", "fork"]) => travel::fork(api, &id, &mut call).await,
                (_, ["selvedge", "transactions", rest @ ..]) => {
                    transactions::answer(api, &id, &database, &mut call, rest).await
                }
                (&Method::GET, ["selvedge", "insights"]) => travel::insights(&database, &call),
                (&Method::POST, ["selvedge", "migrate"]) => migrate(&database, &mut call).await,
                _ => Err(Refused::no_route()),
            }
        }
        _ => Err(Refused::no_route()),
    }
}

impl From<QueryError> for Refused {
    fn from(error: QueryError) -> Self {
        match &error {
            QueryError::Storage(source) => {
                tracing::error!(error = %selvedge_base::on_one_line(source), "a D1 database failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, 7500, error.to_string())
            }
            QueryError::NoSuchTransaction => Self::new(StatusCode::NOT_FOUND, 7404, error.to_string()),
            QueryError::Overloaded | QueryError::QueuedTooLong | QueryError::TooManyTransactions => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, 7500, error.to_string())
            }
            _ => Self::new(StatusCode::BAD_REQUEST, 7500, error.to_string()),
        }
    }
}

impl From<MigrateError> for Refused {
    fn from(error: MigrateError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 7500, selvedge_base::on_one_line(&error))
    }
}

#[derive(Serialize)]
struct Row<'a> {
    uuid: &'a str,
    name: &'a str,
    version: &'static str,
    created_at: Option<String>,
    /// Of one that was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_in_region: Option<&'static str>,
}

impl<'a> Row<'a> {
    fn of(api: &Api, uuid: &'a str, name: &'a str) -> Self {
        let created_at = api.d1.created(uuid).map(selvedge_base::Millis::iso);
        Self { uuid, name, version: "production", created_at, created_in_region: None }
    }
}

async fn named(api: &Api) -> Result<Vec<(String, String)>, Refused> {
    Ok(api.catalog.resources(ResourceKind::D1).await?)
}

async fn list(api: &Api, call: &Call) -> Outcome {
    let mut all = named(api).await?;
    if let Some(name) = call.query("name") {
        all.retain(|(_, found)| *found == name);
    }
    let rows: Vec<_> = all.iter().map(|(uuid, name)| Row::of(api, uuid, name)).collect();
    paged(&rows, call.number("page", 1)?, call.number("per_page", 10)?)
}

async fn create(api: &Api, call: &mut Call) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        name: String,
        /// Ours: the id that a config has chosen. One that is there already is no mistake.
        uuid: Option<String>,
    }
    let Wanted { name, uuid } = call.json().await?;
    if name.is_empty() {
        return Err(Refused::bad_request("a database needs a name"));
    }
    if let Some(id) = uuid {
        return made(api, &id, &name).await;
    }
    check_free(api, &name).await?;
    made(api, &new_id(api), &name).await
}

async fn check_free(api: &Api, name: &str) -> Result<(), Refused> {
    if named(api).await?.iter().any(|(_, taken)| taken == name) {
        let message = format!("A database with that name already exists: {name}");
        return Err(Refused::new(StatusCode::BAD_REQUEST, 7502, message));
    }
    Ok(())
}

fn new_id(api: &Api) -> String {
    let hex = random_hex(&*api.clock, 16);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

async fn made(api: &Api, id: &str, name: &str) -> Outcome {
    api.d1.database(id).await.map_err(|error| Refused::internal(&error))?;
    api.catalog.name_resource(ResourceKind::D1, id, name).await?;
    success(Row { created_in_region: Some("LOCAL"), ..Row::of(api, id, name) })
}

/// The id and the name of the database that `which` is either of.
async fn find(api: &Api, which: &str) -> Result<(String, String), Refused> {
    let all = named(api).await?;
    let by_id = all.iter().find(|(id, _)| id == which);
    let found = by_id.or_else(|| all.iter().find(|(_, name)| name == which)).cloned();
    let message = || format!("The database {which} could not be found");
    found.ok_or_else(|| Refused::new(StatusCode::NOT_FOUND, 7404, message()))
}

async fn delete(api: &Api, id: &str) -> Outcome {
    api.check_unbound(ResourceKind::D1, id)?;
    // Forgotten first: what is left of a deletion that is cut short is files that nobody names.
    api.catalog.forget_resource(ResourceKind::D1, id).await?;
    api.d1.delete(id).await.map_err(|error| Refused::internal(&error))?;
    success(json!({}))
}

async fn info(api: &Api, database: &Database, id: &str, name: &str) -> Outcome {
    let count = "SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let answer = database.query(vec![Statement::new(count)], Format::Objects, None).await?;
    let outcome = answer.outcomes.first();
    let tables = outcome.and_then(|outcome| serde_json::from_slice::<Value>(&outcome.rows).ok());
    success(json!({
        "uuid": id,
        "name": name,
        "created_at": api.d1.created(id).map(selvedge_base::Millis::iso),
        "version": "production",
        "num_tables": tables.map_or(Value::Null, |rows| rows[0]["n"].clone()),
        "file_size": outcome.map(|outcome| outcome.meta.size_after),
        "running_in_region": "LOCAL",
    }))
}

#[derive(Deserialize)]
struct Query {
    sql: String,
    #[serde(default)]
    params: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Queries {
    Batch { batch: Vec<Query> },
    One(Query),
}

/// A text of several statements gives an element for each, as Cloudflare's does.
async fn query(database: &Database, call: &mut Call, format: Format) -> Outcome {
    answered(database.query(statements(call).await?, format, None).await?.outcomes)
}

async fn statements(call: &mut Call) -> Result<Vec<Statement>, Refused> {
    Ok(match call.json().await? {
        Queries::Batch { batch } => batch.into_iter().map(statement).collect::<Result<Vec<_>, _>>()?,
        Queries::One(one) if one.params.is_empty() => {
            selvedge_d1::split(&one.sql).into_iter().map(|piece| Statement::new(piece.sql)).collect()
        }
        Queries::One(one) => vec![statement(one)?],
    })
}

fn statement(query: Query) -> Result<Statement, Refused> {
    let params = query.params.into_iter().map(|value| {
        Ok(match value {
            Value::Null => Param::Null,
            Value::Bool(yes) => Param::Integer(yes.into()),
            Value::Number(n) => match n.as_i64() {
                Some(n) => Param::Integer(n),
                None => Param::Real(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Param::Text(text),
            other => return Err(Refused::bad_request(format!("{other} cannot be bound"))),
        })
    });
    Ok(Statement { sql: query.sql, params: params.collect::<Result<_, _>>()? })
}

fn answered(outcomes: Vec<selvedge_d1::Outcome>) -> Outcome {
    #[derive(Serialize)]
    struct One {
        results: Box<RawValue>,
        success: bool,
        meta: selvedge_d1::Meta,
    }
    let one = |outcome: selvedge_d1::Outcome| {
        let rows = String::from_utf8(outcome.rows).map_err(|error| Refused::internal(&error))?;
        let results = RawValue::from_string(rows).map_err(|error| Refused::internal(&error))?;
        Ok(One { results, success: true, meta: outcome.meta })
    };
    success(outcomes.into_iter().map(one).collect::<Result<Vec<_>, Refused>>()?)
}

/// SQL text as it is made. A failure on the way breaks the answer off, so that no part passes for the whole.
fn export(database: &Database, call: &Call) -> Response<crate::envelope::Body> {
    let query = call.parts.uri.query().unwrap_or_default();
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let options = ExportOptions {
        schema: call.query("no_schema").is_none(),
        data: call.query("no_data").is_none(),
        tables: pairs.filter(|(name, _)| name == "table").map(|(_, table)| table.into_owned()).collect(),
    };
    let pieces = stream::unfold(database.export(options), |mut export| async {
        let piece = export.next().await?;
        Some((piece.map(|text| Frame::data(Bytes::from(text))).map_err(std::io::Error::from), export))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/sql"));
    response
}

async fn import(database: &Database, call: &mut Call) -> Outcome {
    let name = call.query("name").unwrap_or_else(|| "the file".to_owned());
    let script = String::from_utf8(call.bytes_up_to(SCRIPT).await?.into());
    let script = script.map_err(|_| Refused::bad_request(format!("{name} is not UTF-8 text")))?;
    let done = database.import(&name, script).await?;
    success(json!({
        "num_queries": done.queries,
        "changes": done.changes,
        "rows_read": done.rows_read,
        "rows_written": done.rows_written,
    }))
}

/// Makes the body, a SQLite file, the database of a new id.
async fn adopt(api: &Api, mut call: Call, id: &str) -> Outcome {
    let name = call.query("name").unwrap_or_else(|| id.to_owned());
    let file = call.file(&api.scratch).await?;
    match api.d1.adopt(id, file.path()).await {
        Ok(_) => made(api, id, &name).await,
        Err(error @ selvedge_d1::Error::Exists { .. }) => {
            Err(Refused::new(StatusCode::CONFLICT, 7502, error.to_string()))
        }
        Err(error) => Err(Refused::bad_request(selvedge_base::on_one_line(&error))),
    }
}

async fn migrate(database: &Database, call: &mut Call) -> Outcome {
    #[derive(Deserialize)]
    struct File {
        name: String,
        sql: String,
        table: String,
    }
    let File { name, sql, table } = call.json().await?;
    let applied = database.migrate_one(&name, sql, &table).await?;
    success(json!({ "applied": applied }))
}
