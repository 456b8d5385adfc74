//! What the endpoint holds in memory while many large objects pass through it.

use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;

use super::Arguments;
use super::client::Client;
use super::peer::{Kit, Peer, Running};
use super::request::{Body, Request};
use crate::usage::Watch;

/// Objects that stream at the same time.
const STREAMS: u64 = 64;

pub(crate) async fn measure(kit: &Kit, arguments: &Arguments) -> Result<()> {
    let running = kit.start(Peer::Selvedge).await?;
    let size = arguments.large << 20;
    let put = move |n| Request::new("PUT", format!("/bench/{n}")).body(Body::Noise(size));
    Client::new(&running.endpoint).fetch(&put(0)).await?;
    let time = arguments.turns.time();
    for (what, request) in [
        ("read", Box::new(|_| Request::new("GET", "/bench/0")) as Box<dyn Fn(u64) -> Request>),
        ("are put", Box::new(put)),
    ] {
        let (peak, streamed) = stream(&running, time, request).await?;
        println!(
            "while {STREAMS} objects of {} MiB {what} at once for {time:?}: at most {peak:.0} MB, {streamed} of them whole",
            arguments.large
        );
    }
    Ok(())
}

/// Keeps every stream busy for `time`, then breaks them off. Answers with the most memory, in MB, and how many came to
/// their end.
async fn stream(
    running: &Running,
    time: Duration,
    request: Box<dyn Fn(u64) -> Request>,
) -> Result<(f64, u64)> {
    let watch = Watch::start(running.id());
    let mut streams = JoinSet::new();
    for n in 0..STREAMS {
        let (endpoint, request) = (running.endpoint.clone(), request(n));
        streams.spawn(async move {
            let (mut client, mut whole) = (Client::new(&endpoint), 0);
            let forever = async {
                loop {
                    if let Err(failed) = client.fetch(&request).await {
                        return failed;
                    }
                    whole += 1;
                }
            };
            match tokio::time::timeout(time, forever).await {
                Ok(failed) => Err(failed),
                Err(_) => Ok(whole),
            }
        });
    }
    let mut whole = 0;
    while let Some(stream) = streams.join_next().await {
        whole += stream??;
    }
    Ok((watch.stop()?.resident_bytes as f64 / 1e6, whole))
}
