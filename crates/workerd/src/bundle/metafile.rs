//! esbuild's description of a build, as far as we read it. Paths are relative to the working directory.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Metafile {
    pub(super) inputs: BTreeMap<String, Input>,
    pub(super) outputs: BTreeMap<String, Output>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Input {
    pub(super) imports: Vec<Import>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Output {
    pub(super) imports: Vec<Import>,
    pub(super) exports: Vec<String>,
    #[serde(rename = "entryPoint")]
    pub(super) entry_point: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Import {
    pub(super) path: String,
    /// `import-statement`, `require-call`, `dynamic-import` and others.
    pub(super) kind: String,
    #[serde(default)]
    pub(super) external: bool,
}

impl Metafile {
    /// The output made from the entry file, with its path.
    pub(super) fn main(&self) -> Option<(&str, &Output)> {
        let found = self.outputs.iter().find(|(_, output)| output.entry_point.is_some())?;
        Some((found.0, found.1))
    }

    /// The inputs that are files. Others are in a namespace (`(disabled):…`, `<runtime>`, `data:…`).
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.inputs
            .keys()
            .filter(|name| !name.starts_with(['(', '<']) && !name.starts_with("data:"))
            .map(|name| without_query(name))
    }
}

impl Output {
    /// The `node:` modules that are imported, with how.
    pub(super) fn node_imports(&self) -> impl Iterator<Item = &Import> {
        self.imports.iter().filter(|import| import.external && import.path.starts_with("node:"))
    }
}

/// `a.wasm` of `a.wasm?module`.
pub(super) fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
