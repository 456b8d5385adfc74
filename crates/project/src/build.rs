//! How the script is made: entry, bundling, module rules, custom build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
use crate::extract::{Section, Spot};
use crate::model::{Build, BuildCommand, ModuleKind, Rule};
use crate::node::Value;
use crate::paths::resolve;

/// What an entry without an extension may end in.
const SOURCE_EXTENSIONS: &[&str] = &["ts", "tsx", "js", "jsx"];

/// `None` if there is no script. What is set anyway is checked.
pub(crate) fn build(section: &Section<'_>, root: &Path) -> Option<Build> {
    let command = command(section, root);
    let main = section.get("main").and_then(Spot::name).map(|main| resolve(root, main));
    if let (Some(main), Some(spot)) = (&main, section.get("main")) {
        check_main(spot, main, command.is_some());
    }
    if let (None, Some(build)) = (section.get("main"), section.get("build").filter(|_| command.is_some())) {
        let problem = Diagnostic::warning("the custom build is not run").help("set `main`");
        build.reporter.at(&build.key_span, "it belongs to a script, and there is none", problem);
    }
    let base_dir = section.get("base_dir").and_then(Spot::name).map(|dir| resolve(root, dir));
    let tsconfig = section.get("tsconfig").and_then(Spot::name).map(|path| resolve(root, path));
    let flag = |key, default| section.bool(key).unwrap_or(default);
    let mut build = Build {
        main: PathBuf::new(),
        base_dir: PathBuf::new(),
        no_bundle: flag("no_bundle", false),
        find_additional_modules: flag("find_additional_modules", false),
        preserve_file_names: flag("preserve_file_names", false),
        minify: flag("minify", false),
        keep_names: flag("keep_names", true),
        rules: rules(section),
        alias: texts(section, "alias"),
        define: texts(section, "define"),
        tsconfig,
        jsx_factory: section.string("jsx_factory"),
        jsx_fragment: section.string("jsx_fragment"),
        command,
    };
    build.main = main?;
    build.base_dir =
        base_dir.or_else(|| build.main.parent().map(Path::to_owned)).unwrap_or_else(|| root.to_owned());
    Some(build)
}

fn check_main(spot: &Spot<'_>, main: &Path, is_built: bool) {
    if main.extension().is_some_and(|extension| extension == "py") {
        let problem = Diagnostic::error("Python Workers are not supported");
        spot.error("expected a JavaScript or TypeScript file", problem);
        return;
    }
    let exists = match main.extension() {
        Some(_) => main.is_file(),
        None => SOURCE_EXTENSIONS.iter().any(|extension| main.with_extension(extension).is_file()),
    };
    // A custom build may be what makes the entry.
    if !exists && !is_built {
        let problem = Diagnostic::error("the entry file of the Worker does not exist");
        spot.error(format!("looked for {}", main.display()), problem);
    }
}

fn command(section: &Section<'_>, root: &Path) -> Option<BuildCommand> {
    let build = section.section("build")?;
    build.expect_keys(&["command", "cwd", "watch_dir"]);
    let cwd = build.string("cwd");
    let watch = match build.get("watch_dir") {
        Some(spot) if matches!(spot.node.value, Value::Array(_)) => spot.strings(),
        Some(spot) => spot.string().into_iter().collect(),
        None => vec!["src".to_owned()],
    };
    let command = build.string("command").filter(|command| !command.is_empty())?;
    Some(BuildCommand {
        command,
        cwd: resolve(root, cwd.unwrap_or_default()),
        watch: watch.iter().map(|dir| resolve(root, dir)).collect(),
    })
}

fn texts(section: &Section<'_>, key: &str) -> BTreeMap<String, String> {
    let fields = section.section(key).map(|section| section.fields).unwrap_or_default();
    fields.into_iter().filter_map(|(name, spot)| Some((name.to_owned(), spot.string()?))).collect()
}

/// A rule, and whether the config says anything about its falling through.
type Candidate<'a> = (Rule, Option<bool>, Option<&'a Section<'a>>);

/// The rules that count, the user's before wrangler's own. A rule ends the list for its kind unless it says
/// `fallthrough = true`; what comes after is left out.
fn rules(section: &Section<'_>) -> Vec<Rule> {
    let sections = section.sections("rules");
    let own = sections.iter().filter_map(|entry| {
        let (rule, fallthrough) = rule(entry)?;
        Some((rule, fallthrough, Some(entry)))
    });
    let candidates: Vec<Candidate<'_>> = own.chain(default_rules().map(|rule| (rule, None, None))).collect();
    let mut counted: Vec<Candidate<'_>> = Vec::new();
    for (rule, fallthrough, place) in candidates {
        let end = counted.iter().find(|(other, _, _)| other.kind == rule.kind && !other.fallthrough);
        match end {
            None => counted.push((rule, fallthrough, place)),
            Some((_, None, Some(end))) => ignored(end, place),
            // Said explicitly, it is meant.
            Some(_) => {}
        }
    }
    counted.into_iter().map(|(rule, _, _)| rule).collect()
}

fn ignored(end: &Section<'_>, place: Option<&Section<'_>>) {
    let help = "add `fallthrough` = true to let the later rules of its type apply, or false to silence this";
    match place {
        Some(ignored) => end.reporter.at(
            &ignored.span,
            format!("`{}` has the same type and ends the search", end.path),
            Diagnostic::warning(format!("`{}` is ignored", ignored.path)).help(help),
        ),
        None => end.reporter.at(
            &end.span,
            "the default rule for this type no longer applies",
            Diagnostic::warning(format!("`{}` replaces a default rule", end.path)).help(help),
        ),
    }
}

fn rule(entry: &Section<'_>) -> Option<(Rule, Option<bool>)> {
    entry.expect_keys(&["type", "globs", "fallthrough"]);
    let kind = match entry.get("type") {
        Some(spot) => spot.one_of(&["ESModule", "CommonJS", "CompiledWasm", "Text", "Data"]),
        None => entry.required("type").and(None),
    };
    if entry.get("globs").is_none() {
        let problem = Diagnostic::error(format!("`{}` has no `globs`", entry.path));
        entry.reporter.at(&entry.span, "`globs` is required: an array of strings", problem);
    }
    let globs = entry.strings("globs");
    let fallthrough = entry.bool("fallthrough");
    let kind = match kind? {
        "ESModule" => ModuleKind::EsModule,
        "CommonJS" => ModuleKind::CommonJs,
        "CompiledWasm" => ModuleKind::CompiledWasm,
        "Text" => ModuleKind::Text,
        _ => ModuleKind::Data,
    };
    Some((Rule { kind, globs, fallthrough: fallthrough.unwrap_or(false) }, fallthrough))
}

/// What wrangler adds behind the rules of the config.
fn default_rules() -> impl Iterator<Item = Rule> {
    let rules: [(ModuleKind, &[&str]); 3] = [
        (ModuleKind::Text, &["**/*.txt", "**/*.html", "**/*.sql"]),
        (ModuleKind::Data, &["**/*.bin"]),
        (ModuleKind::CompiledWasm, &["**/*.wasm", "**/*.wasm?module"]),
    ];
    rules.into_iter().map(|(kind, globs)| Rule {
        kind,
        globs: globs.iter().map(|&glob| glob.to_owned()).collect(),
        fallthrough: false,
    })
}
