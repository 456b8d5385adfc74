//! From places in a bundle to places in the sources.

use std::path::{Path, PathBuf};

/// A bundle's source map.
#[derive(Debug)]
pub struct SourceMap {
    map: sourcemap::SourceMap,
    /// What sources are shown relative to.
    root: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
#[error("not a source map")]
pub struct SourceMapError(#[from] sourcemap::Error);

impl SourceMap {
    /// Reads the JSON of a source map.
    pub fn parse(json: &[u8]) -> Result<Self, SourceMapError> {
        Ok(Self { map: sourcemap::SourceMap::from_slice(json)?, root: None })
    }

    /// Shows the sources below `root`, which is absolute, relative to it.
    #[must_use]
    pub fn relative_to(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    /// `stack` with every `<script_name>:<line>:<column>` replaced by the place it was made from. What the map
    /// does not know stays as it is.
    pub fn map_stack(&self, stack: &str, script_name: &str) -> String {
        let mut out = String::with_capacity(stack.len());
        let mut rest = stack;
        // An empty name would be found everywhere.
        while let Some(at) = rest.find(script_name).filter(|_| !script_name.is_empty()) {
            let (before, found) = rest.split_at(at);
            let (name, after) = found.split_at(script_name.len());
            out.push_str(before);
            rest = after;
            let place = position(after).filter(|_| after_a_boundary(&out));
            let original = place.and_then(|(line, column, _)| self.original(line, column));
            if let (Some(original), Some((_, _, length))) = (original, place) {
                out.push_str(&original);
                rest = &after[length..];
            } else {
                out.push_str(name);
            }
        }
        out.push_str(rest);
        out
    }

    /// Lines and columns count from one, as stacks have them.
    fn original(&self, line: u32, column: u32) -> Option<String> {
        let token = self.map.lookup_token(line.checked_sub(1)?, column.checked_sub(1)?)?;
        let source = self.shown(token.get_source()?);
        Some(format!("{source}:{}:{}", token.get_src_line() + 1, token.get_src_col() + 1))
    }

    fn shown<'a>(&'a self, source: &'a str) -> &'a str {
        let inner = self.root.as_ref().and_then(|root| Path::new(source).strip_prefix(root).ok());
        inner.and_then(Path::to_str).unwrap_or(source)
    }
}

/// `:<line>:<column>` at the start of `text`: the two numbers and the length.
fn position(text: &str) -> Option<(u32, u32, usize)> {
    let (line, rest) = number(text.strip_prefix(':')?)?;
    let (column, rest) = number(rest.strip_prefix(':')?)?;
    Some((line, column, text.len() - rest.len()))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Whether a file name may begin after `text`: `index.js` is not meant where it says `lib/index.js`.
fn after_a_boundary(text: &str) -> bool {
    text.chars().next_back().is_none_or(|c| c.is_whitespace() || c == '(' || c == '[')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line 1 of the bundle is line 3 of `src/a.ts`; its column 10 is line 4, column 5 of `src/b.ts`.
    fn map() -> SourceMap {
        let mut builder = sourcemap::SourceMapBuilder::new(None);
        builder.add(0, 0, 2, 0, Some("/home/me/app/src/a.ts"), None, false);
        builder.add(0, 9, 3, 4, Some("/home/me/app/src/b.ts"), None, false);
        builder.add(1, 0, 0, 0, Some("/home/me/lib/c.ts"), None, false);
        let mut json = Vec::new();
        builder.into_sourcemap().to_writer(&mut json).unwrap();
        SourceMap::parse(&json).unwrap()
    }

    #[test]
    fn frames_of_the_script_are_mapped_and_others_stay() {
        let stack = "Error: in index.js\n    at fetch (index.js:1:10)\n    at index.js:1:1\n    at lib/index.js:1:1\n    at async index.js:2:1\n  at index.js:1:3 in f";
        let map = map().relative_to(Path::new("/home/me/app"));
        assert_eq!(
            map.map_stack(stack, "index.js"),
            "Error: in index.js\n    at fetch (src/b.ts:4:5)\n    at src/a.ts:3:1\n    at lib/index.js:1:1\n    at async /home/me/lib/c.ts:1:1\n  at src/a.ts:3:1 in f"
        );
    }

    #[test]
    fn without_a_root_a_source_is_shown_as_the_map_has_it() {
        assert_eq!(map().map_stack("at index.js:1:1", "index.js"), "at /home/me/app/src/a.ts:3:1");
    }

    #[test]
    fn nothing_loops_on_an_empty_name_or_a_place_that_is_none() {
        let map = map();
        assert_eq!(map.map_stack("héé", ""), "héé");
        assert_eq!(map.map_stack("at index.js:0:0", "index.js"), "at index.js:0:0");
        assert_eq!(map.map_stack("at index.js:99999999999:1", "index.js"), "at index.js:99999999999:1");
    }

    #[test]
    fn what_is_no_map_is_refused() {
        assert!(SourceMap::parse(b"{").is_err());
    }
}
