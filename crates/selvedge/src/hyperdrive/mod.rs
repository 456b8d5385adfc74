//! `selvedge hyperdrive`: a pooler and cache for any application.

mod options;
mod status;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use selvedge_base::SystemClock;
use selvedge_hyperdrive::Pooler;
use selvedge_hyperdrive::cache::{CacheStore, DEFAULT_STORE_BYTES};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use options::HyperdriveArguments;

use crate::tools::{self, Outcome};

pub(crate) async fn run(arguments: HyperdriveArguments) -> ExitCode {
    tools::finish(serve(arguments).await)
}

async fn serve(arguments: HyperdriveArguments) -> Outcome {
    let options = arguments.read()?;
    let clock = SystemClock::shared();
    let store = CacheStore::new(DEFAULT_STORE_BYTES, Arc::clone(&clock));
    let (pooler, login) =
        Pooler::new(options.origin.clone(), options.login.clone(), options.settings, &store, &clock)?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;
    let metrics = match options.metrics {
        Some(at) => {
            let listener = TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at}"))?;
            tools::spoken(format_args!("Metrics on http://{}/metrics", listener.local_addr()?));
            Some(tokio::spawn(status::serve(listener, pooler.clone(), login.database.clone())))
        }
        None => None,
    };
    let serving = tokio::spawn({
        let pooler = pooler.clone();
        async move { pooler.serve(listener.into()).await }
    });
    let (scheme, user, database) = (&options.origin.scheme, &login.user, &login.database);
    tools::spoken(format_args!("Ready on {scheme}://{user}@{address}/{database}"));

    let mut hangup = signal(SignalKind::hangup())?;
    let mut told_to_stop = std::pin::pin!(crate::console::told_to_stop());
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&arguments, &pooler),
            () = &mut told_to_stop => break,
        }
    }
    tools::spoken("Stopping: no new clients, open transactions may finish");
    serving.abort();
    let left = pooler.drain(Duration::from_secs(arguments.drain)).await;
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    if left > 0 {
        tools::spoken(format_args!("{left} clients had not finished"));
    }
    Ok(())
}

/// Takes the config file's new settings, and its new origin; clients stay. A mistake leaves everything as it is.
fn reload(arguments: &HyperdriveArguments, pooler: &Pooler) {
    let reloaded =
        arguments.read().and_then(|options| Ok(pooler.reconfigure(options.origin, options.settings)?));
    match reloaded {
        Ok(()) => tools::spoken("Reloaded"),
        Err(error) => tools::spoken(format_args!("Not reloaded: {error:#}")),
    }
}
