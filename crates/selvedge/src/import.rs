//! `selvedge import`: moving in from `wrangler dev` or `workerd serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use selvedge_base::{Clock as _, SystemClock};
use selvedge_node::ClientError;
use selvedge_project::{D1Database, KvNamespace};
use selvedge_state::{Pair, PairValue, R2Object, State};

use crate::tools::{self, Outcome, Place, PlaceArguments, segment};

/// Values that are on their way at a time.
const TOGETHER: usize = 16;
/// Rows that are read at a time.
const PAGE: usize = 1000;
/// Keys that expire sooner than this are left behind: KV takes no shorter expiration, in seconds.
const SOON: u64 = 60;

/// Copy what wrangler dev or workerd serve has stored for this project.
///
/// Takes the KV namespaces, D1 databases and R2 buckets that the config names. What is there stays as it is. KV
/// keys and R2 objects are overwritten; a D1 database is only taken when there is none of that id yet.
#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    /// The state directory: .wrangler, .wrangler/state/v3 or .wrangler/state/workerd.
    #[arg(value_name = "DIR", default_value = ".wrangler")]
    from: PathBuf,

    #[command(flatten)]
    place: PlaceArguments,
}

pub(crate) async fn run(arguments: ImportArguments) -> ExitCode {
    tools::finish(work(arguments).await)
}

async fn work(arguments: ImportArguments) -> Outcome {
    let state = State::at(&arguments.from)?;
    let place = Place::create(arguments.place).await?;
    tools::spoken(format_args!("Importing from {}", state.path().display()));
    for worker in place.project()?.workers {
        for namespace in &worker.kv_namespaces {
            kv(&place, &state, namespace).await?;
        }
        for database in &worker.d1_databases {
            d1(&place, &state, database).await?;
        }
        for bucket in &worker.r2_buckets {
            r2(&place, &state, &bucket.bucket).await?;
        }
    }
    Ok(())
}

async fn kv(place: &Place, state: &State, namespace: &KvNamespace) -> Outcome {
    let KvNamespace { binding, id, .. } = namespace;
    let Some(theirs) = state.kv(id)? else {
        tools::spoken(format_args!("KV {binding}: nothing there"));
        return Ok(());
    };
    let path = crate::kv::ensure(place, binding, id).await?;
    let bar = tools::bar(&format!("KV {binding}"), "keys", theirs.count()?);
    let (mut after, mut taken, mut left) = (None, 0_u64, 0_u64);
    let soon = SystemClock.now().secs() + SOON;
    loop {
        let page = theirs.page(after.as_deref(), PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        let count = page.len() as u64;
        let stays: Vec<Pair> = page.into_iter().filter(|p| p.expiration.is_none_or(|at| at > soon)).collect();
        taken += stays.len() as u64;
        left += count - stays.len() as u64;
        let puts = stream::iter(stays).map(|pair| put(place, &path, pair)).buffer_unordered(TOGETHER);
        puts.try_for_each(|()| std::future::ready(Ok(()))).await?;
        bar.inc(count);
    }
    bar.finish_and_clear();
    let expired = if left > 0 { format!(", {left} expired ones left behind") } else { String::new() };
    tools::spoken(format_args!("KV {binding}: {taken} keys{expired}"));
    Ok(())
}

async fn put(place: &Place, path: &str, pair: Pair) -> Outcome {
    let body = match pair.value {
        PairValue::Inline(bytes) => tools::full(bytes),
        PairValue::File(file) => tools::file_body(&file, None).await?.0,
    };
    let expiration = pair.expiration.map(|at| format!("?expiration={at}")).unwrap_or_default();
    let target = format!("{path}/values/{}{expiration}", segment(&pair.key));
    let headers: Vec<_> = pair.metadata.iter().map(|json| ("cf-kv-metadata", json.as_str())).collect();
    let stored = place.client().fetch_with(Method::PUT, &target, &headers, body).await;
    stored.map(drop).with_context(|| format!("cannot store {:?}", pair.key))
}

async fn d1(place: &Place, state: &State, database: &D1Database) -> Outcome {
    let D1Database { name, id, .. } = database;
    let Some(file) = state.d1(id) else {
        tools::spoken(format_args!("D1 {name}: nothing there"));
        return Ok(());
    };
    let target = format!("/d1/database/{}/selvedge/file?name={}", segment(id), segment(name));
    let bar = tools::spinner(format!("D1 {name}"));
    let adopted = crate::d1::adopt(place, &target, &file).await;
    bar.finish_and_clear();
    match adopted {
        Ok(()) => tools::spoken(format_args!("D1 {name}: taken over")),
        Err(error) => match error.downcast_ref::<ClientError>() {
            Some(ClientError::Refused { status, .. }) if *status == http::StatusCode::CONFLICT => {
                tools::spoken(format_args!("D1 {name}: there is one already, which stays as it is"));
            }
            _ => return Err(error.context(format!("cannot take over the D1 database {name}"))),
        },
    }
    Ok(())
}

async fn r2(place: &Place, state: &State, bucket: &str) -> Outcome {
    let Some(theirs) = state.r2(bucket)? else {
        tools::spoken(format_args!("R2 {bucket}: nothing there"));
        return Ok(());
    };
    let path = crate::r2::path(place, bucket).await?;
    let total = theirs.count()?;
    let bar = tools::bar(&format!("R2 {bucket}"), "objects", total);
    let mut after = None;
    loop {
        let page = theirs.page(after.as_deref(), PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        let puts =
            stream::iter(page).map(|object| put_object(place, &path, object)).buffer_unordered(TOGETHER);
        puts.try_for_each(|()| {
            bar.inc(1);
            std::future::ready(Ok(()))
        })
        .await?;
    }
    bar.finish_and_clear();
    tools::spoken(format_args!("R2 {bucket}: {total} objects"));
    Ok(())
}

async fn put_object(place: &Place, path: &str, object: R2Object) -> Outcome {
    let custom = serde_json::to_string(&object.custom_metadata)?;
    let size = object.size.to_string();
    let mut headers = vec![("content-length", size.as_str()), ("cf-r2-custom-metadata", custom.as_str())];
    let names = [
        ("contentType", "content-type"),
        ("contentLanguage", "content-language"),
        ("contentDisposition", "content-disposition"),
        ("contentEncoding", "content-encoding"),
        ("cacheControl", "cache-control"),
    ];
    for (theirs, ours) in names {
        headers.extend(object.http_metadata.get(theirs).and_then(|value| value.as_str()).map(|v| (ours, v)));
    }
    let target = format!("{path}/objects/{}", segment(&object.key));
    let body = tools::files_body(object.files).await?;
    let stored = place.client().fetch_with(Method::PUT, &target, &headers, body).await;
    stored.map(drop).with_context(|| format!("cannot store {:?}", object.key))
}
