//! What esbuild left in the output directory, as modules.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use selvedge_project::ModuleKind;

use super::esbuild::{Built, Job};
use super::messages::located;
use super::metafile::{Import, Metafile, Output, without_query};
use super::node::{self, Node};
use super::source_map::{absolute, normal};
use super::{Bundle, BundleError, Module};

pub(super) fn collect(job: &Job<'_>, built: Built) -> Result<Bundle, BundleError> {
    let Built { metafile, warnings: said } = built;
    let (main_path, main) =
        metafile.main().ok_or_else(|| BundleError::Output("it names no entry point".to_owned()))?;
    let inputs: Vec<_> = metafile.files().map(|file| normal(&job.root.join(file))).collect();
    if main.exports.is_empty() {
        return Err(job.failure(service_worker(main), inputs));
    }
    let mut warnings = job.copied.warnings.clone();
    warnings.extend(said);
    match missing_node_modules(job, &metafile, main) {
        Ok(more) => warnings.extend(more),
        Err(messages) => return Err(job.failure(messages, inputs)),
    }

    let prefix = prefix(job);
    let main_path = normal(&job.root.join(main_path));
    let mut code = read(&main_path)?;
    let mut map_path = main_path.clone().into_os_string();
    map_path.push(".map");
    let map = read(Path::new(&map_path))?;
    rewrite_additional(job, &prefix, main, &mut code);
    let require = (job.node != Node::Off).then(|| require(main)).flatten();
    if let Some(line) = &require {
        code.splice(0..0, line.bytes());
    }

    let name = main_path.strip_prefix(job.output).ok().and_then(Path::to_str);
    let name = name.ok_or_else(|| BundleError::Output(format!("the entry is at {}", main_path.display())))?;
    let mut modules =
        vec![Module { name: format!("{prefix}{name}"), kind: ModuleKind::EsModule, bytes: code }];
    modules.extend(copied_modules(job, &prefix, main)?);
    for (path, name, kind) in job.additional.modules() {
        modules.push(Module { name: name.to_owned(), kind, bytes: read(path)? });
    }

    let mut bundle = Bundle {
        modules,
        inputs,
        watch: Vec::new(),
        source_map: absolute(&map, job.output, usize::from(require.is_some())),
        exports: main.exports.clone(),
        compatibility_flags: match job.node {
            Node::Full | Node::Prefixed => {
                node::missing_flags(job.worker, main.node_imports().map(|import| import.path.as_str()))
            }
            Node::Off | Node::AsyncHooks => Vec::new(),
        },
        warnings,
    };
    // esbuild reads it, but does not name it.
    let tsconfig = job.build.tsconfig.clone().unwrap_or_else(|| job.root.join("tsconfig.json"));
    if tsconfig.is_file() {
        bundle.inputs.push(tsconfig);
    }
    if job.build.find_additional_modules {
        bundle.inputs.extend(job.additional.files().map(Path::to_owned));
        bundle.watch.push(job.base.clone());
    }
    Ok(bundle)
}

fn read(path: &Path) -> Result<Vec<u8>, BundleError> {
    fs::read(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })
}

/// In a bundle, `require` of a Node.js module by a CommonJS package stays a call, and an ES module has no `require`. This
/// is a line that makes one, which gives default exports, as wrangler's does: what workerd's own gives depends on the
/// compatibility date.
fn require(main: &Output) -> Option<String> {
    let names: BTreeSet<&str> = main
        .node_imports()
        .filter(|import| import.kind == "require-call" && node::is_known(&import.path))
        .map(|import| import.path.as_str())
        .collect();
    if names.is_empty() {
        return None;
    }
    let (mut imports, mut cases) = (String::new(), String::new());
    for (at, name) in names.iter().enumerate() {
        let _ = write!(imports, "import __selvedge_node_{at} from \"{name}\"; ");
        let _ = write!(cases, "case \"{name}\": return __selvedge_node_{at}; ");
    }
    Some(format!(
        "{imports}function require(name) {{ switch (name) {{ {cases}default: throw new Error(`No such module \"${{name}}\".`); }} }}\n"
    ))
}

/// wrangler takes a script without exports for a service worker. We run ES modules only.
fn service_worker(main: &Output) -> String {
    format!(
        "{} exports nothing, so it is not an ES module Worker.\n\n  Export a handler (`export default {{ async fetch(request, env, ctx) {{ … }} }}`) instead of calling `addEventListener(\"fetch\", …)`.",
        main.entry_point.as_deref().unwrap_or("the entry file")
    )
}

/// Additional modules are named relative to `base_dir`. For imports that are made at run time to reach them, the main
/// module must stand where its source stands.
fn prefix(job: &Job<'_>) -> String {
    if !job.build.find_additional_modules {
        return String::new();
    }
    let directory = job.build.main.parent().and_then(|parent| parent.canonicalize().ok());
    let relative =
        directory.as_deref().and_then(|parent| parent.strip_prefix(&job.base).ok()).and_then(Path::to_str);
    match relative {
        Some("") | None => String::new(),
        Some(relative) => format!("{relative}/"),
    }
}

/// esbuild writes an import of an external file relative to the output directory; the module of that file is named
/// relative to `base_dir`.
fn rewrite_additional(job: &Job<'_>, prefix: &str, main: &Output, code: &mut Vec<u8>) {
    let up = match prefix.matches('/').count() {
        0 => "./".to_owned(),
        depth => "../".repeat(depth),
    };
    let paths: BTreeSet<&str> =
        main.imports.iter().filter(|import| import.external).map(|import| import.path.as_str()).collect();
    let mut text = None;
    for path in paths.into_iter().filter(|path| path.starts_with('.')) {
        let Some(name) = job.additional.name(&normal(&job.output.join(path))) else { continue };
        let text = text.get_or_insert_with(|| String::from_utf8_lossy(code).into_owned());
        for quote in ['"', '\'', '`'] {
            *text = text.replace(&format!("{quote}{path}{quote}"), &format!("\"{up}{name}\""));
        }
    }
    if let Some(text) = text {
        *code = text.into_bytes();
    }
}

/// The files that esbuild copied, each under every name that it is imported by (`a.wasm` and `a.wasm?module`).
fn copied_modules(job: &Job<'_>, prefix: &str, main: &Output) -> Result<Vec<Module>, BundleError> {
    let names: BTreeSet<&str> =
        main.imports.iter().filter(|import| !import.external).map(|import| import.path.as_str()).collect();
    let mut modules = Vec::new();
    for written in names {
        let path = normal(&job.root.join(written));
        let Some(name) = path.strip_prefix(job.output).ok().and_then(Path::to_str) else { continue };
        let Some(kind) = job.copied.kind(without_query(name)) else { continue };
        let bytes = read(&job.output.join(without_query(name)))?;
        modules.push(Module { name: format!("{prefix}{name}"), kind, bytes });
    }
    Ok(modules)
}

/// Imports of Node.js modules that the runtime will not have: an error where the Worker could not even start, else a
/// warning for each.
fn missing_node_modules(job: &Job<'_>, metafile: &Metafile, main: &Output) -> Result<Vec<String>, String> {
    let missing: Vec<&Import> = main.node_imports().filter(|import| !job.node.offers(&import.path)).collect();
    let mut seen = BTreeSet::new();
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for import in missing {
        let fatal = import.kind == "import-statement";
        if !seen.insert((&import.path, fatal)) {
            continue;
        }
        let importer = metafile.inputs.iter().find(|(_, input)| {
            input.imports.iter().any(|other| other.path == import.path && other.kind == import.kind)
        });
        let file = importer.map_or("", |(file, _)| file.as_str());
        let text = format!("Could not resolve \"{}\"", import.path);
        let message = located(&text, &job.root, file, &import.path, &job.node.advice(&import.path));
        if fatal { errors.push(message) } else { warnings.push(message) }
    }
    if errors.is_empty() { Ok(warnings) } else { Err(errors.join("\n\n")) }
}
