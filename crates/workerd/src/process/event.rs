//! What a running workerd has to say.

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Log,
    Warn,
    Error,
}

/// One thing that workerd or the code in it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line of a Worker's console. `worker` is known in an app of several Workers; else it is the only one,
    /// or one of workerd's own, such as its queues.
    Log { worker: Option<String>, level: Level, message: String },
    /// An exception that no code caught: its name and message, then its stack lines, if it has any. An
    /// exception that passes through several Workers or objects is told once for each.
    Exception { message: String },
    /// Something about the runtime itself.
    Runtime { level: Level, message: String },
}
