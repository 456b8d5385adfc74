//! `selvedge/clock`: the time that the storage engines go by.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::envelope::{Outcome, Refused, success};
use crate::request::Call;
use crate::server::Api;

/// Seconds that one move may go forward: ten years.
const LONGEST: u64 = 10 * 365 * 86_400;

/// Asks the node to move its clock.
#[derive(Debug)]
pub struct ClockMove {
    pub seconds: u64,
    /// Told when everything that goes by the clock has moved.
    pub done: oneshot::Sender<ClockState>,
}

/// What a node's clock shows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClockState {
    /// Seconds since the epoch.
    pub now: u64,
    /// Seconds by which it is ahead of the machine's.
    pub ahead_seconds: u64,
}

#[derive(Deserialize)]
struct Asked {
    advance_seconds: u64,
}

pub(crate) async fn answer(api: &Api, mut call: Call) -> Outcome {
    let seconds = match *call.method() {
        Method::GET => 0,
        Method::POST => call.json::<Asked>().await?.advance_seconds,
        _ => return Err(Refused::no_route()),
    };
    if seconds > LONGEST {
        let message = format!("a clock moves by {LONGEST} seconds at most at one time");
        return Err(Refused::bad_request(message));
    }
    let no_node = || {
        let message =
            "no node runs on this data directory, so there is no clock to move: start `selvedge dev`";
        Refused::new(StatusCode::CONFLICT, 10001, message)
    };
    let moves = api.clock_moves.as_ref().ok_or_else(no_node)?;
    let (done, moved) = oneshot::channel();
    moves.send(ClockMove { seconds, done }).await.map_err(|_| no_node())?;
    success(moved.await.map_err(|_| no_node())?)
}
