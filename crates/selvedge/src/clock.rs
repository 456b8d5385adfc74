//! `selvedge clock`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::tools::{self, Outcome, Place, PlaceArguments};

/// Show and move the clock that the storage of a running node goes by.
///
/// Values expire and caches of edge locations grow old by it. The machine's own clock, and what Date.now() says in
/// a Worker, stay as they are. When the node stops, its clock is forgotten.
#[derive(Args, Debug)]
pub(crate) struct ClockArguments {
    #[command(flatten)]
    place: PlaceArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the clock, as JSON.
    Show,
    /// Move the clock forward.
    Advance {
        /// By this many seconds.
        seconds: u64,
    },
}

const PATH: &str = "/selvedge/clock";

pub(crate) async fn run(arguments: ClockArguments) -> std::process::ExitCode {
    tools::finish(work(arguments).await)
}

async fn work(arguments: ClockArguments) -> Outcome {
    let place = Place::open(arguments.place).await?;
    let state: Value = match arguments.command {
        Command::Show => place.client().call(Method::GET, PATH, None).await?.result,
        Command::Advance { seconds } => {
            let body = json!({ "advance_seconds": seconds });
            place.client().call(Method::POST, PATH, Some(&body)).await?.result
        }
    };
    tools::json(&state)
}
