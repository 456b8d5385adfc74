//! `selvedge.toml`, beside the wrangler config: what a project says to Selvedge that wrangler's config has no
//! place for.
//!
//! A table is `[<primitive>.<BINDING>]`. A primitive is one file here: a struct of settings, and what it is to be
//! [`Configurable`]. It belongs to the resource, not to the binding: every binding of the app that names the same
//! resource has the same settings. Mistakes are errors, since a setting that does nothing would be a wrong promise.

mod d1;
mod file;
mod hyperdrive;
mod kv;
mod r2;

use std::ops::Range;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Reporter, display_path};
use crate::extract::Section;
use crate::keys::{self, Shape};
use crate::model::{D1Database, Hyperdrive, KvNamespace, R2Bucket, Worker};
use crate::names;
use crate::node::Node;

pub use d1::D1Settings;
pub(crate) use file::{NAME, SettingsFile};
pub use hyperdrive::HyperdriveSettings;
pub use kv::{Consistency, KvSettings};
pub use r2::R2Settings;

/// A binding that a table of `selvedge.toml` can be about.
trait Configurable: Sized {
    type Settings: Clone + PartialEq;
    /// What the tables are called: `kv`.
    const TABLE: &'static str;
    /// The key of the wrangler config that declares the bindings: `kv_namespaces`.
    const LIST: &'static str;

    /// The settings that `table` gives. Mistakes are reported, and what has one is as if it were not there.
    fn read(table: &Section<'_>) -> Self::Settings;
    fn all(worker: &mut Worker) -> &mut Vec<Self>;
    fn binding(&self) -> &str;
    /// What the binding stands for: the id of the namespace, the name of the bucket.
    fn resource(&self) -> &str;
    fn settings(&mut self) -> &mut Self::Settings;
}

/// A config's directory and tree, to know its bindings in every environment.
pub(crate) type Config<'a> = (&'a Path, &'a Node);

type Apply = fn(&[SettingsFile], &[Config<'_>], &mut [Worker]);

const TABLES: &[(&str, Apply)] = &[
    (KvNamespace::TABLE, apply::<KvNamespace>),
    (D1Database::TABLE, apply::<D1Database>),
    (R2Bucket::TABLE, apply::<R2Bucket>),
    (Hyperdrive::TABLE, apply::<Hyperdrive>),
];

/// Puts what the files say on the model.
pub(crate) fn configure(files: &[SettingsFile], configs: &[Config<'_>], workers: &mut [Worker]) {
    let tables: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
    for file in files {
        if let Some(section) = file.section() {
            only_keys(&section, &tables, "tables");
        }
    }
    for (_, apply) in TABLES {
        apply(files, configs, workers);
    }
}

/// What a table said, and where.
struct Given<'a, S> {
    resource: String,
    settings: S,
    reporter: &'a Reporter,
    file: &'a Path,
    span: Range<usize>,
}

fn apply<T: Configurable>(files: &[SettingsFile], configs: &[Config<'_>], workers: &mut [Worker]) {
    let mut given: Vec<Given<'_, T::Settings>> = Vec::new();
    for file in files {
        let Some(tables) = file.section().and_then(|section| section.section(T::TABLE)) else { continue };
        let trees: Vec<&Node> =
            configs.iter().filter(|(root, _)| *root == file.root).map(|(_, tree)| *tree).collect();
        let declared = declared(&trees, T::LIST);
        for (binding, spot) in &tables.fields {
            if !declared.contains(binding) {
                unknown_binding(&spot.path, &spot.key_span, binding, &declared, T::LIST, &file.reporter);
                continue;
            }
            let Some(table) = spot.section() else { continue };
            let settings = T::read(&table);
            let here = workers.iter_mut().filter(|worker| worker.root == file.root);
            let bindings = here.flat_map(T::all).filter(|bound| bound.binding() == *binding);
            let resources: Vec<String> = bindings.map(|bound| bound.resource().to_owned()).collect();
            for resource in resources {
                let (settings, span) = (settings.clone(), spot.key_span.clone());
                given.push(Given { resource, settings, reporter: &file.reporter, file: &file.path, span });
            }
        }
    }
    check_agreement(&given);
    for bound in workers.iter_mut().flat_map(T::all) {
        if let Some(said) = given.iter().find(|said| said.resource == bound.resource()) {
            *bound.settings() = said.settings.clone();
        }
    }
}

/// The bindings that `list` declares at the top level or in any environment.
fn declared<'a>(trees: &[&'a Node], list: &str) -> Vec<&'a str> {
    let environments = trees.iter().filter_map(|tree| tree.get("env")).flat_map(Node::entries);
    let places = trees.iter().copied().chain(environments.map(|entry| &entry.node));
    let lists = places.filter_map(|place| place.get(list));
    lists.flat_map(|list| names::of(Shape::List("binding"), list)).map(|(name, _)| name).collect()
}

fn unknown_binding(
    path: &str,
    span: &Range<usize>,
    binding: &str,
    declared: &[&str],
    list: &str,
    reporter: &Reporter,
) {
    let problem = Diagnostic::error(format!("`{path}` is about a binding that does not exist"));
    let problem = match (keys::nearest(binding, declared.iter().copied()), declared) {
        (Some(near), _) => problem.help(format!("did you mean `{near}`?")),
        (None, []) => problem.help("tables are named by a `binding` of the wrangler config"),
        (None, declared) => problem.help(format!("the bindings are: {}", declared.join(", "))),
    };
    reporter.at(span, format!("no `{list}` of the wrangler config has this binding"), problem);
}

fn check_agreement<S: PartialEq>(given: &[Given<'_, S>]) {
    for (at, said) in given.iter().enumerate() {
        let earlier = given.iter().take(at).find(|earlier| earlier.resource == said.resource);
        if let Some(earlier) = earlier.filter(|earlier| earlier.settings != said.settings) {
            let problem = Diagnostic::error(format!("{:?} is set up in two ways", said.resource)).help(
                "settings belong to the resource, whichever binding it is used through: leave one table, or make them equal",
            );
            let label = format!("a table in {} says something else", display_path(earlier.file));
            said.reporter.at(&said.span, label, problem);
        }
    }
}

/// Reports every key of `section` that is not in `known`. `what` is the word for them in the plural.
fn only_keys(section: &Section<'_>, known: &[&str], what: &str) {
    for (key, spot) in &section.fields {
        if known.contains(key) {
            continue;
        }
        let problem = Diagnostic::error(format!("unknown key `{}`", spot.path));
        let problem = match keys::nearest(key, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => problem.help(format!("there are no {what} here")),
            None => problem.help(format!("the {what} are: {}", known.join(", "))),
        };
        section.reporter.at(&spot.key_span, "Selvedge does not know this key", problem);
    }
}
