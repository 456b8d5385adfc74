//! What the commands that work on stored data have in common: where the data is, how results are shown.
//!
//! Such a command is a client of the node's API: of a running node's when one has the data directory, of
//! engines in this process otherwise. It cannot tell the difference.

mod output;
mod place;
mod transfer;

pub(crate) use output::{bar, byte_bar, facts, json, plain, raw, segment, spinner, spoken, table};
pub(crate) use place::{Place, PlaceArguments};
pub(crate) use transfer::{file_body, files_body, full, save};

use std::process::ExitCode;

use selvedge_project::LoadError;

use crate::console;

/// What a tool returns; the error is for people and is shown with its causes.
pub(crate) type Outcome = anyhow::Result<()>;

/// The command line does not say enough, or says what cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) String);

/// Ends a tool: says what went wrong and chooses the exit code.
pub(crate) fn finish(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if let Some(mistakes) = error.downcast_ref::<LoadError>() {
        console::diagnostics(mistakes);
        return ExitCode::from(crate::MISUSED);
    }
    let code = if error.is::<Misuse>() { crate::MISUSED } else { crate::FAILED };
    console::failure(error.as_ref(), code)
}
