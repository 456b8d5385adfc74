//! Why workerd did not start, in words for the person whose code it is.

use std::path::PathBuf;
use std::time::Duration;

use super::ExitStatusText;

/// Why there is no running workerd.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// workerd refuses the app: a syntax error, an import that leads nowhere, a class that is not exported, a
    /// compatibility date it does not know. Each message may have several lines.
    #[error("{}", messages.join("\n"))]
    Config { messages: Vec<String> },
    #[error("cannot start {}", program.display())]
    Spawn { program: PathBuf, source: std::io::Error },
    /// It went away without a word.
    #[error("workerd {status} before it was ready")]
    Exited { status: ExitStatusText },
    #[error("workerd was not ready after {} seconds{}", after.as_secs_f32(), so_far(messages))]
    Timeout { after: Duration, messages: Vec<String> },
}

fn so_far(messages: &[String]) -> String {
    if messages.is_empty() { String::new() } else { [":\n", &messages.join("\n")].concat() }
}

/// Says what `class` lacks.
pub(super) fn missing_class(class: &str) -> String {
    format!(
        "no Worker of this app exports the Durable Object class \"{class}\": export it from the main module, as a class that extends DurableObject"
    )
}

/// What workerd said at its end, without what only its own config explains.
pub(super) fn readable(message: &str) -> String {
    let Some((service, said)) = message.strip_prefix("service ").and_then(|rest| rest.split_once(": "))
    else {
        return message.to_owned();
    };
    let said = said.strip_prefix("Uncaught ").unwrap_or(said);
    if service.starts_with("selvedge/") {
        // Not the user's code: the message is about a setting, the stack about the code that checks it.
        let said = said.split_once("\n  at ").map_or(said, |(message, _)| message);
        return said.strip_prefix("Error: ").unwrap_or(said).to_owned();
    }
    match service.strip_prefix("assets/") {
        Some(worker) => format!("static assets of Worker \"{worker}\": {said}"),
        // Some messages name the Worker themselves.
        None if said.starts_with("Worker \"") => said.to_owned(),
        None => format!("Worker \"{service}\": {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_workers_not_services() {
        let cases = [
            (
                "service app: Uncaught SyntaxError: Unexpected end of input\n  at m.js:1:25",
                "Worker \"app\": SyntaxError: Unexpected end of input\n  at m.js:1:25",
            ),
            (
                "service app: Worker \"app\"'s binding \"S\" refers to a service \"zz\", but no such service is defined.",
                "Worker \"app\"'s binding \"S\" refers to a service \"zz\", but no such service is defined.",
            ),
            (
                "service selvedge/cron: Uncaught Error: cron trigger \"x * * * *\": minute field has x\n  at cron.js:205:11 in parse",
                "cron trigger \"x * * * *\": minute field has x",
            ),
            (
                "service assets/site: Directory named \"assets/site\" not found: /nowhere",
                "static assets of Worker \"site\": Directory named \"assets/site\" not found: /nowhere",
            ),
            ("Socket \"http\": bind(): No such file", "Socket \"http\": bind(): No such file"),
        ];
        for (said, expected) in cases {
            assert_eq!(readable(said), expected);
        }
    }
}
