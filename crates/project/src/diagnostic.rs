//! What is wrong, where, and what to do about it.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{AnnotationKind, Group, Origin, Snippet};

/// How bad it is: with an error, the project cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
}

/// A marked piece of a file. `span` counts bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Range<usize>,
    pub text: String,
}

/// Where a diagnostic points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Absolute.
    pub file: PathBuf,
    /// The text of the file; empty if it is not to be shown.
    pub source: Arc<str>,
    /// The mistake itself; `None` if the whole file is meant.
    pub label: Option<Label>,
    /// Another piece of the same file that has to do with it.
    pub related: Option<Label>,
}

/// One mistake, or one thing worth knowing, in a project's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub level: Level,
    pub message: String,
    pub place: Option<Place>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self { level: Level::Error, message: message.into(), place: None, help: None }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { level: Level::Warning, message: message.into(), place: None, help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The text to print, without a newline at its end: the message, `file:line:column`, the lines of the
    /// source with marks, the help. Files below the current directory are shown relative to it.
    pub fn render(&self, color: bool) -> String {
        let level = match self.level {
            Level::Error => annotate_snippets::Level::ERROR,
            Level::Warning => annotate_snippets::Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&self.message));
        if let Some(place) = &self.place {
            group = place.show(group);
        }
        if let Some(help) = &self.help {
            group = group.element(annotate_snippets::Level::HELP.message(help));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl Place {
    /// The file as such, without an excerpt.
    pub(crate) fn whole(file: &Path) -> Self {
        Self { file: file.to_owned(), source: "".into(), label: None, related: None }
    }

    /// 1-based line and column (in characters) of the mistake.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        let before = self.source.get(..self.label.as_ref()?.span.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Some((line, column))
    }

    fn show<'a>(&'a self, group: Group<'a>) -> Group<'a> {
        let path = display_path(&self.file);
        let Some(label) = &self.label else {
            return group.element(Origin::path(path));
        };
        let marks =
            [(AnnotationKind::Primary, Some(label)), (AnnotationKind::Context, self.related.as_ref())];
        let annotations = marks.into_iter().filter_map(|(kind, label)| {
            let label = label?;
            Some(kind.span(first_line(&self.source, &label.span)).label(label.text.as_str()))
        });
        group.element(Snippet::source(&*self.source).path(path).fold(true).annotations(annotations))
    }
}

/// A span over many lines is shown by its first line: whole objects would drown the message.
fn first_line(source: &str, span: &Range<usize>) -> Range<usize> {
    let end = span.end.min(source.len());
    let start = span.start.min(end);
    let length = source.get(start..end).and_then(|text| text.find(['\r', '\n'])).unwrap_or(end - start);
    start..start + length
}

/// `path` relative to the current directory if it is below it, else as it is.
pub(crate) fn display_path(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&current).unwrap_or(path).display().to_string()
}

/// Takes the diagnostics of one file. Shared by everything that reads the file's tree, hence the cell.
#[derive(Debug)]
pub(crate) struct Reporter {
    file: PathBuf,
    source: Arc<str>,
    diagnostics: RefCell<Vec<Diagnostic>>,
}

impl Reporter {
    pub(crate) fn new(file: &Path, source: &str) -> Self {
        Self { file: file.to_owned(), source: source.into(), diagnostics: RefCell::default() }
    }

    pub(crate) fn source(&self) -> Arc<str> {
        Arc::clone(&self.source)
    }

    pub(crate) fn is_toml(&self) -> bool {
        self.file.extension().is_some_and(|extension| extension == "toml")
    }

    /// What an object is called in this file's format.
    pub(crate) fn an_object(&self) -> &'static str {
        if self.is_toml() { "a table" } else { "an object" }
    }

    /// How `key` is set to the string `value` in this file's format.
    pub(crate) fn assignment(&self, key: &str, value: &str) -> String {
        if self.is_toml() { format!("{key} = {value:?}") } else { format!("{key:?}: {value:?}") }
    }

    /// Reports a diagnostic that points to `span`; `label` stands beside it.
    pub(crate) fn at(&self, span: &Range<usize>, label: impl Into<String>, diagnostic: Diagnostic) {
        self.push(Some(Label { span: span.clone(), text: label.into() }), None, diagnostic);
    }

    /// As [`Reporter::at`], with a second mark.
    pub(crate) fn at_two(&self, label: Label, related: Label, diagnostic: Diagnostic) {
        self.push(Some(label), Some(related), diagnostic);
    }

    /// Reports a diagnostic about the file as a whole.
    pub(crate) fn whole(&self, diagnostic: Diagnostic) {
        self.push(None, None, diagnostic);
    }

    fn push(&self, label: Option<Label>, related: Option<Label>, mut diagnostic: Diagnostic) {
        diagnostic.place = Some(Place { file: self.file.clone(), source: self.source(), label, related });
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics.into_inner()
    }
}
