//! Makes sense of the lines that workerd writes.
//!
//! With structured logging every line is JSON. Three kinds share the stream, and what user code prints can
//! pass for neither of the others, since it only ever is the `message` of a line:
//! - control messages have an `event`;
//! - lines of the runtime itself have a `source`;
//! - all others are console lines.

use std::collections::VecDeque;

use serde::Deserialize;

use super::lines::LIMIT;
use super::{Event, Level};

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The socket of this name takes connections.
    Listening(String),
    /// The config names a Durable Object class that no Worker exports. workerd goes on without it.
    MissingClass(String),
    Event(Event),
    /// Nothing that was not said before.
    Nothing,
}

#[derive(Deserialize)]
struct Raw {
    event: Option<String>,
    socket: Option<String>,
    level: Option<String>,
    source: Option<String>,
    message: Option<String>,
}

/// How many exceptions are remembered, to recognise the same one when it is told again.
const REMEMBERED: usize = 16;

/// Reads the lines of one process.
#[derive(Default)]
pub(super) struct Reader {
    exceptions: VecDeque<String>,
}

impl Reader {
    pub(super) fn read(&mut self, line: &[u8]) -> Line {
        let Some(raw) = parse(line) else {
            let message = String::from_utf8_lossy(line).into_owned();
            // The last words of a JavaScript engine out of memory, or of a config reader that found a mistake.
            return Line::Event(Event::Runtime { level: Level::Error, message });
        };
        if let Some(event) = raw.event {
            return match raw.socket {
                Some(socket) if event == "listen" => Line::Listening(socket),
                _ => Line::Nothing,
            };
        }
        let level = level(raw.level.as_deref());
        let message = raw.message.unwrap_or_default();
        if raw.source.is_some() {
            return self.runtime(level, &message);
        }
        let (worker, message) = strip_mark(message);
        Line::Event(Event::Log { worker, level, message })
    }

    fn runtime(&mut self, level: Level, message: &str) -> Line {
        if let Some(class) =
            between(message, "referenced the class \"", "\", but no such Durable Object class")
        {
            return Line::MissingClass(class.to_owned());
        }
        if let Some(thrown) = message.strip_prefix("uncaught exception; source = ") {
            let thrown = ["; stack = ", "; exception = "].iter().find_map(|mark| thrown.split_once(mark));
            if let Some((_, thrown)) = thrown {
                return self.exception(thrown.to_owned());
            }
        }
        let again = message
            .strip_prefix("uncaught exception; exception = ")
            .or_else(|| message.strip_prefix("Uncaught exception: "));
        let message = without_addresses(message);
        // The same exception once more, on its way out of the runtime: with its C++ place, without its stack.
        if let Some((_, thrown)) = again.and_then(|_| message.split_once("jsg.")) {
            let bare = thrown.strip_prefix("Error: ").unwrap_or(thrown);
            let known = |known: &String| known.starts_with(thrown) || known == bare;
            if self.exceptions.iter().any(known) {
                return Line::Nothing;
            }
            return self.exception(thrown.to_owned());
        }
        let (level, message) = match message.strip_prefix("console warning; message = ") {
            Some(warning) => (Level::Warn, warning.to_owned()),
            // A hint about the user's config that changes nothing.
            None if message.contains(" became the default as of ") => (Level::Debug, message),
            None => (level, message),
        };
        Line::Event(Event::Runtime { level, message })
    }

    fn exception(&mut self, message: String) -> Line {
        if self.exceptions.len() == REMEMBERED {
            self.exceptions.pop_front();
        }
        self.exceptions.push_back(message.clone());
        Line::Event(Event::Exception { message })
    }
}

/// A JSON line. One that was cut is mended as far as its message goes: the message is all that can be long.
fn parse(line: &[u8]) -> Option<Raw> {
    if let Ok(raw) = serde_json::from_slice(line) {
        return Some(raw);
    }
    if line.len() < LIMIT || line.first() != Some(&b'{') {
        return None;
    }
    // The cut may have split a character or an escape: at most a surrogate pair, `\ud83d\ude00`.
    (0..12).find_map(|back| {
        let mut mended = line[..line.len() - back].to_vec();
        mended.extend_from_slice(" [cut]\"}".as_bytes());
        serde_json::from_slice(&mended).ok()
    })
}

fn level(text: Option<&str>) -> Level {
    match text {
        Some("debug") => Level::Debug,
        Some("log") => Level::Log,
        Some("warn" | "warning") => Level::Warn,
        Some("error" | "fatal") => Level::Error,
        _ => Level::Info,
    }
}

/// Takes off the mark that the generated console module puts in front of a message: the Worker between two
/// `U+0001`, or closed by `U+0002` and a space when it was an argument of its own.
fn strip_mark(message: String) -> (Option<String>, String) {
    let marked = message.strip_prefix('\u{1}').and_then(|rest| rest.split_once(['\u{1}', '\u{2}']));
    let Some((worker, text)) = marked else { return (None, message) };
    let is_apart = message.as_bytes().get(worker.len() + 1) == Some(&2);
    let text = if is_apart { text.strip_prefix(' ').unwrap_or(text) } else { text };
    (Some(worker.to_owned()), text.to_owned())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

/// Takes the C++ stack out of a message: addresses in a stripped binary, no use to anybody.
fn without_addresses(message: &str) -> String {
    let Some((before, stack)) = message.split_once("\nstack: ") else { return message.to_owned() };
    let after = stack.find(['\n', ';']).map_or("", |end| &stack[end..]);
    [before, after].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Line {
        Reader::default().read(line.as_bytes())
    }

    fn log(worker: Option<&str>, message: &str) -> Line {
        let worker = worker.map(str::to_owned);
        Line::Event(Event::Log { worker, level: Level::Log, message: message.to_owned() })
    }

    fn exception(message: &str) -> Line {
        Line::Event(Event::Exception { message: message.to_owned() })
    }

    #[test]
    fn a_control_message_is_told_from_a_console_line_that_looks_like_one() {
        let control = r#"{"event":"listen","socket":"http","port":0}"#;
        assert_eq!(read(control), Line::Listening("http".to_owned()));
        let console = serde_json::json!({ "timestamp": 1, "level": "log", "message": control });
        assert_eq!(read(&console.to_string()), log(None, control));
    }

    #[test]
    fn the_mark_of_a_worker_is_taken_off() {
        let line = |message: &str| {
            read(&serde_json::json!({ "timestamp": 1, "level": "log", "message": message }).to_string())
        };
        assert_eq!(line("\u{1}a-b\u{1} spaced"), log(Some("a-b"), " spaced"));
        assert_eq!(line("\u{1}a-b\u{2} { a: 1 }"), log(Some("a-b"), "{ a: 1 }"));
        assert_eq!(line("\u{1}a\u{1}\u{1}b\u{1}forged"), log(Some("a"), "\u{1}b\u{1}forged"));
        assert_eq!(line("\u{1}unclosed"), log(None, "\u{1}unclosed"));
    }

    #[test]
    fn an_exception_is_told_once_with_its_stack() {
        let mut reader = Reader::default();
        let mut runtime = |message: &str| {
            let line =
                serde_json::json!({ "timestamp": "1", "level": "info", "source": "x:1", "message": message });
            reader.read(line.to_string().as_bytes())
        };
        let thrown = "Error: boom\nsecond line\n    at deep (main.js:6:24)";
        let first = ["uncaught exception; source = Uncaught (in promise); stack = ", thrown].concat();
        assert_eq!(runtime(&first), exception(thrown));
        let on_the_way = "uncaught exception; exception = workerd/jsg/value.h:1456: failed: jsg.Error: boom\nsecond line\nstack: /w@1 /w@2";
        assert_eq!(runtime(on_the_way), Line::Nothing);
        let out = "Uncaught exception: workerd/jsg/value.h:1456: failed: remote.jsg.Error: boom\nsecond line";
        assert_eq!(runtime(out), Line::Nothing);
        let another = "Uncaught exception: workerd/x.h:1: failed: remote.jsg.TypeError: no stack";
        assert_eq!(runtime(another), exception("TypeError: no stack"));
    }

    #[test]
    fn a_thrown_string_is_told_once_too() {
        let mut reader = Reader::default();
        let mut runtime = |message: &str| {
            let line = serde_json::json!({ "level": "info", "source": "x:1", "message": message });
            reader.read(line.to_string().as_bytes())
        };
        let first = "uncaught exception; source = Uncaught (in promise); exception = a string";
        assert_eq!(runtime(first), exception("a string"));
        assert_eq!(runtime("Uncaught exception: x: failed: remote.jsg.Error: a string"), Line::Nothing);
    }

    #[test]
    fn a_message_of_the_runtime_loses_its_addresses_and_keeps_its_reference() {
        let line = r#"{"level":"error","source":"u:1","message":"e = f: failed: No such file\nstack: /w@1 /w@2; wdErrId = abc"}"#;
        let message = "e = f: failed: No such file; wdErrId = abc".to_owned();
        assert_eq!(read(line), Line::Event(Event::Runtime { level: Level::Error, message }));
    }

    #[test]
    fn a_line_that_was_cut_keeps_the_beginning_of_its_message() {
        let head = r#"{"timestamp":1,"level":"log","message":""#;
        for tail in ["é", "\\ud83d\\ude00", "\\n", "x"] {
            let whole = [head, &"a".repeat(LIMIT - head.len() - 3), tail, &"b".repeat(100)].concat();
            let Line::Event(Event::Log { message, .. }) = read_bytes(&whole.as_bytes()[..LIMIT]) else {
                panic!("{tail} is not a console line");
            };
            assert!(message.starts_with("aaa") && message.ends_with(" [cut]"), "{tail}");
        }
    }

    fn read_bytes(line: &[u8]) -> Line {
        Reader::default().read(line)
    }

    #[test]
    fn what_is_not_json_is_the_runtimes_own() {
        let message = "# Fatal JavaScript out of memory".to_owned();
        assert_eq!(read(&message), Line::Event(Event::Runtime { level: Level::Error, message }));
    }

    #[test]
    fn a_class_that_is_not_exported_is_noticed() {
        let line = r#"{"level":"warn","source":"w:468","message":"A DurableObjectNamespace in the config referenced the class \"Obj\", but no such Durable Object class is exported from the worker. Please"}"#;
        assert_eq!(read(line), Line::MissingClass("Obj".to_owned()));
    }
}
