//! Module rules: which files are modules of their own, and of what kind.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobMatcher};
use selvedge_project::{ModuleKind, Rule};

/// The rules that count, in order. As in wrangler, the first rule of a kind that does not fall through ends that
/// kind.
pub(super) fn effective(rules: &[Rule]) -> (Vec<&Rule>, Vec<&Rule>) {
    let mut ended: Vec<ModuleKind> = Vec::new();
    let (mut kept, mut ignored) = (Vec::new(), Vec::new());
    for rule in rules {
        if ended.contains(&rule.kind) {
            ignored.push(rule);
            continue;
        }
        kept.push(rule);
        if !rule.fallthrough {
            ended.push(rule.kind);
        }
    }
    (kept, ignored)
}

/// File endings (`.wasm`) whose files esbuild copies instead of bundling, because esbuild tells files apart by ending
/// and not by glob.
#[derive(Debug, Default)]
pub(super) struct Copied {
    endings: Vec<(String, ModuleKind)>,
    pub(super) warnings: Vec<String>,
}

/// Endings that stay code whatever a rule says.
const CODE: [&str; 8] = [".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"];

impl Copied {
    pub(super) fn of(rules: &[&Rule]) -> Self {
        let mut copied = Self::default();
        for rule in rules {
            // Code is bundled; wrangler too reads these rules only when it looks for additional modules.
            if matches!(rule.kind, ModuleKind::EsModule | ModuleKind::CommonJs) {
                continue;
            }
            for glob in &rule.globs {
                match ending(glob) {
                    Some(ending) if CODE.contains(&ending) => copied.warnings.push(format!(
                        "the module rule glob \"{glob}\" is ignored: files that end in {ending} are always bundled"
                    )),
                    Some(ending) if copied.endings.iter().any(|(known, _)| known == ending) => {}
                    Some(ending) => copied.endings.push((ending.to_owned(), rule.kind)),
                    None => copied.warnings.push(format!(
                        "the module rule glob \"{glob}\" is ignored for imports: bundling knows only globs like \"**/*.ext\""
                    )),
                }
            }
        }
        copied
    }

    pub(super) fn endings(&self) -> impl Iterator<Item = &str> {
        self.endings.iter().map(|(ending, _)| ending.as_str())
    }

    /// The kind of a copied file. The longest ending wins, as in esbuild.
    pub(super) fn kind(&self, name: &str) -> Option<ModuleKind> {
        let fitting = self.endings.iter().filter(|(ending, _)| name.ends_with(ending.as_str()));
        fitting.max_by_key(|(ending, _)| ending.len()).map(|(_, kind)| *kind)
    }
}

/// `.wasm` of `**/*.wasm`, `*.wasm` and `**/*.wasm?module`; nothing if a glob says more than that.
fn ending(glob: &str) -> Option<&str> {
    let glob = glob.split('?').next()?;
    let rest = glob.strip_prefix("./").unwrap_or(glob);
    let name = rest.strip_prefix("**/").unwrap_or(rest).strip_prefix('*')?;
    let plain = name.len() > 1
        && name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    plain.then_some(name)
}

/// Rules as matchers of whole relative paths, for the search for additional modules.
pub(super) struct Matchers(Vec<(GlobMatcher, ModuleKind)>);

impl Matchers {
    /// The second value names the globs that are no globs.
    pub(super) fn of(rules: &[&Rule]) -> (Self, Vec<String>) {
        let (mut matchers, mut warnings) = (Vec::new(), Vec::new());
        for rule in rules {
            for glob in &rule.globs {
                // In wrangler's globs `?` is just a question mark.
                match GlobBuilder::new(&glob.replace('?', "[?]")).literal_separator(true).build() {
                    Ok(built) => matchers.push((Glob::compile_matcher(&built), rule.kind)),
                    Err(error) => {
                        warnings.push(format!("the module rule glob \"{glob}\" is ignored: {error}"));
                    }
                }
            }
        }
        (Self(matchers), warnings)
    }

    pub(super) fn kind(&self, relative: &Path) -> Option<ModuleKind> {
        self.0.iter().find(|(matcher, _)| matcher.is_match(relative)).map(|(_, kind)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: ModuleKind, globs: &[&str], fallthrough: bool) -> Rule {
        Rule { kind, globs: globs.iter().map(|&glob| glob.to_owned()).collect(), fallthrough }
    }

    #[test]
    fn a_rule_that_does_not_fall_through_ends_its_kind_only() {
        let rules = [
            rule(ModuleKind::Text, &["**/*.md"], false),
            rule(ModuleKind::Text, &["**/*.txt"], false),
            rule(ModuleKind::Data, &["**/*.bin"], false),
        ];
        let (kept, ignored) = effective(&rules);
        assert_eq!((kept, ignored), (vec![&rules[0], &rules[2]], vec![&rules[1]]));
        let open = [rule(ModuleKind::Text, &["**/*.md"], true), rules[1].clone()];
        assert_eq!(effective(&open).0.len(), 2);
    }

    #[test]
    fn globs_become_endings_or_warnings() {
        let rules = [
            rule(ModuleKind::CompiledWasm, &["**/*.wasm", "**/*.wasm?module"], true),
            rule(ModuleKind::Text, &["*.txt", "src/*.md", "**/*.js"], true),
            rule(ModuleKind::Data, &["**/*.tar.gz", "**/*"], true),
        ];
        let copied = Copied::of(&rules.iter().collect::<Vec<_>>());
        assert_eq!(copied.endings().collect::<Vec<_>>(), [".wasm", ".txt", ".tar.gz"]);
        assert_eq!(copied.warnings.len(), 3, "{:?}", copied.warnings);
        assert_eq!(copied.kind("a-X.wasm"), Some(ModuleKind::CompiledWasm));
        assert_eq!(copied.kind("a.css"), None);
    }

    #[test]
    fn matchers_keep_to_one_directory_per_star() {
        let rules = [rule(ModuleKind::EsModule, &["lang/*.mjs", "**/*.wasm?module"], true)];
        let (matchers, warnings) = Matchers::of(&rules.iter().collect::<Vec<_>>());
        assert!(warnings.is_empty());
        assert!(matchers.kind(Path::new("lang/en.mjs")).is_some());
        assert!(matchers.kind(Path::new("lang/deep/en.mjs")).is_none());
        assert!(matchers.kind(Path::new("a.wasmXmodule")).is_none());
        let broken = [rule(ModuleKind::Text, &["[a"], true)];
        assert_eq!(Matchers::of(&broken.iter().collect::<Vec<_>>()).1.len(), 1);
    }
}
