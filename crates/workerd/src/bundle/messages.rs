//! esbuild's messages, made to fit: its hints name flags of esbuild, which nobody here can set.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::node::Node;

/// How many errors are shown.
pub(super) const LIMIT: usize = 10;

const ERROR: &str = "✘ [ERROR] ";
const WARNING: &str = "▲ [WARNING] ";

/// What esbuild wrote to stderr.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Whole blocks: text, place, source line, notes.
    pub(super) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
    /// The line that counts what is not shown.
    more: Option<String>,
}

impl Messages {
    pub(super) fn parse(stderr: &str, node: Node) -> Self {
        let mut messages = Self::default();
        let mut block = String::new();
        for line in stderr.lines() {
            if line.starts_with(ERROR) || line.starts_with(WARNING) {
                messages.add(&std::mem::take(&mut block));
            }
            if line.contains("(disable the message limit with --log-limit=0)") {
                messages.more = line.split(" (disable").next().map(str::to_owned);
                continue;
            }
            block.push_str(&note(line, node));
            block.push('\n');
        }
        messages.add(&block);
        messages
    }

    fn add(&mut self, block: &str) {
        if let Some(text) = block.strip_prefix(WARNING) {
            self.warnings.push(text.trim_end().to_owned());
        } else if !block.trim().is_empty() {
            self.errors.push(block.strip_prefix(ERROR).unwrap_or(block).trim_end().to_owned());
        }
    }

    /// All errors, one below the other.
    pub(super) fn text(&self) -> String {
        let mut text = self.errors.join("\n\n");
        if let Some(more) = &self.more {
            let _ = write!(text, "\n\n{more}");
        }
        text
    }

    /// The files that errors point at. `root` is the directory that esbuild ran in.
    pub(super) fn files(&self, root: &Path) -> Vec<PathBuf> {
        let places = self.errors.iter().flat_map(|block| block.lines()).filter_map(place);
        let files: BTreeSet<PathBuf> = places.map(|file| root.join(file)).collect();
        files.into_iter().collect()
    }
}

/// The file in a line like `    src/index.ts:2:11:`.
fn place(line: &str) -> Option<&str> {
    let mut parts = line.strip_prefix("    ")?.strip_suffix(':')?.rsplitn(3, ':');
    let (column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(column) && number(line) && !file.starts_with(' ')).then_some(file)
}

/// Replaces a hint that only helps people who start esbuild themselves.
fn note(line: &str, node: Node) -> String {
    let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
    if line.contains("You can use \"--platform=node\"")
        && let Some(module) = quoted(line)
    {
        return format!("  {}", node.advice(&module));
    }
    if line.starts_with("  You can mark the path \"")
        && line.contains("as external")
        && let Some(module) = quoted(line)
    {
        return format!("  Is the package that \"{module}\" belongs to installed?");
    }
    line.to_owned()
}

/// A message of our own in esbuild's form, at the first place where `file` has `needle` in quotes.
pub(super) fn located(text: &str, root: &Path, file: &str, needle: &str, advice: &str) -> String {
    let mut message = text.to_owned();
    if let Ok(source) = std::fs::read_to_string(root.join(file)) {
        let quotes = [format!("\"{needle}\""), format!("'{needle}'")];
        let found = source.lines().enumerate().find_map(|(number, line)| {
            let column = quotes.iter().find_map(|quoted| line.find(quoted.as_str()))?;
            Some((number + 1, column, line))
        });
        if let Some((number, column, line)) = found {
            let shown = line.replace('\t', "  ");
            let indent = line[..column].replace('\t', "  ").chars().count();
            let _ = write!(
                message,
                "\n\n    {file}:{number}:{column}:\n{number:>7} │ {shown}\n        ╵ {}{}",
                " ".repeat(indent),
                "~".repeat(needle.chars().count() + 2)
            );
        }
    }
    let _ = write!(message, "\n\n  {advice}");
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDERR: &str = "\
▲ [WARNING] Comparison with NaN

    src/bad.ts:8:6:
      8 │ if (x === NaN) {}
        ╵       ~~~

✘ [ERROR] Could not resolve \"fs\"

    src/bad.ts:2:15:
      2 │ import fs from \"fs\";
        ╵                ~~~~

  The package \"fs\" wasn't found on the file system but is built into node. Are you trying to bundle for node? You can use \"--platform=node\" to do that, which will remove this error.

✘ [ERROR] Could not resolve \"nopkg\"

    a:b/c.ts:4:14:
      4 │ import z from \"nopkg\";
        ╵               ~~~~~~~

  You can mark the path \"nopkg\" as external to exclude it from the bundle, which will remove this error and leave the unresolved path in the bundle.

10 of 13 errors shown (disable the message limit with --log-limit=0)
";

    #[test]
    fn messages_are_taken_apart_and_their_hints_replaced() {
        let messages = Messages::parse(STDERR, Node::Off);
        assert_eq!((messages.errors.len(), messages.warnings.len()), (2, 1));
        assert!(messages.warnings[0].starts_with("Comparison with NaN\n"), "{}", messages.warnings[0]);
        let text = messages.text();
        assert!(text.contains("add \"nodejs_compat\" to \"compatibility_flags\""), "{text}");
        assert!(text.contains("Is the package that \"nopkg\" belongs to installed?"), "{text}");
        assert!(text.ends_with("10 of 13 errors shown") && !text.contains("--"), "{text}");
        assert_eq!(
            messages.files(Path::new("/r")),
            [PathBuf::from("/r/a:b/c.ts"), PathBuf::from("/r/src/bad.ts")]
        );
    }
}
