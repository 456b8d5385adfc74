//! Why there is no bundle, and what to watch until there is one.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The sources are wrong. `messages` has each with its file, line, column and source line.
    #[error("{messages}")]
    Build {
        messages: String,
        /// Files that are known to matter: those the messages point at.
        inputs: Vec<PathBuf>,
        /// Directories where the cause may be.
        watch: Vec<PathBuf>,
    },

    #[error("the build command failed ({status}): {command}\n{output}")]
    Command {
        command: String,
        status: std::process::ExitStatus,
        /// The end of what it wrote.
        output: String,
        watch: Vec<PathBuf>,
    },

    #[error("the entry file {} does not exist. Check \"main\" in the config.", main.display())]
    NoEntry { main: PathBuf },

    #[error("the entry file {} is not inside \"base_dir\", which is {}", main.display(), base.display())]
    OutsideBase { main: PathBuf, base: PathBuf },

    #[error("{} is a Python Worker; Selvedge runs JavaScript, TypeScript and WebAssembly", main.display())]
    Python { main: PathBuf },

    #[error("this Worker has no \"main\", so there is nothing to bundle")]
    NoScript,

    #[error("cannot start {}", program.display())]
    Start { program: PathBuf, source: std::io::Error },

    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("cannot write to {}", path.display())]
    Scratch { path: PathBuf, source: std::io::Error },

    /// esbuild did something this code does not expect.
    #[error("esbuild's output is not understood: {0}")]
    Output(String),
}

impl BundleError {
    /// Files and directories where a change may mend it, beside the config.
    pub fn watch(&self) -> Vec<PathBuf> {
        match self {
            Self::Build { inputs, watch, .. } => inputs.iter().chain(watch).cloned().collect(),
            Self::Command { watch, .. } => watch.clone(),
            Self::NoEntry { main } => main.parent().map(PathBuf::from).into_iter().collect(),
            Self::Read { path, .. } => vec![path.clone()],
            Self::OutsideBase { .. }
            | Self::Python { .. }
            | Self::NoScript
            | Self::Start { .. }
            | Self::Scratch { .. }
            | Self::Output(_) => Vec::new(),
        }
    }
}
