//! The file itself.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Place, Reporter};
use crate::extract::Section;
use crate::node::Node;
use crate::toml;

pub(crate) const NAME: &str = "selvedge.toml";

/// A `selvedge.toml` that was read. It holds for every config in its directory.
#[derive(Debug)]
pub(crate) struct SettingsFile {
    /// Its directory, absolute.
    pub(crate) root: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) reporter: Reporter,
    tree: Option<Node>,
}

impl SettingsFile {
    /// The file in `root`; `None` if there is none.
    pub(crate) fn read(root: &Path) -> Result<Option<Self>, Box<Diagnostic>> {
        let path = root.join(NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let mut problem = Diagnostic::error(format!("the settings cannot be read: {error}"))
                    .help("make the file readable, or remove it");
                problem.place = Some(Place::whole(&path));
                return Err(Box::new(problem));
            }
        };
        let reporter = Reporter::new(&path, text.strip_prefix('\u{feff}').unwrap_or(&text));
        let tree = toml::parse(&reporter);
        Ok(Some(Self { root: root.to_owned(), path, reporter, tree }))
    }

    /// The top level; `None` if the file is not TOML, which is reported.
    pub(crate) fn section(&self) -> Option<Section<'_>> {
        self.tree.as_ref().map(|tree| Section::new(&self.reporter, "", tree))
    }
}
