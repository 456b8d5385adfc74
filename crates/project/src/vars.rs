//! `vars`, and what `.dev.vars` and `.env` files put over them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Place};
use crate::dotenv;
use crate::extract::Section;
use crate::keys::KEYS;
use crate::model::Var;
use crate::names;
use crate::node::Value;

/// Where local secrets come from.
#[derive(Debug)]
pub(crate) struct Secrets<'a> {
    /// The directory of the config.
    pub(crate) root: &'a Path,
    pub(crate) env: Option<&'a str>,
    /// The process environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// What the files themselves have wrong.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Every file that was looked for.
    pub(crate) watched: Vec<PathBuf>,
}

/// The Worker's variables: those of the config, overlaid by the local ones.
pub(crate) fn vars(section: &Section<'_>, secrets: &mut Secrets<'_>) -> BTreeMap<String, Var> {
    let mut vars = BTreeMap::new();
    for (name, spot) in section.section("vars").map(|section| section.fields).unwrap_or_default() {
        let var = match &spot.node.value {
            Value::String(text) => Var::Text(text.clone()),
            Value::Date(date) => {
                let problem = Diagnostic::error(format!("`{}` is a TOML date", spot.path));
                spot.error(
                    "expected anything but a date",
                    problem.help(format!("put it in quotes: {date:?}")),
                );
                continue;
            }
            _ => Var::Json(spot.node.to_json()),
        };
        vars.insert(name.to_owned(), var);
    }
    let required = section.section("secrets").map(|section| {
        section.expect_keys(&["required"]);
        section.strings("required")
    });
    let mut local = secrets.read(required.is_some());
    if let (Some(required), Some(spot)) = (required, section.get("secrets")) {
        local.retain(|name, _| required.contains(name));
        let missing: Vec<&str> =
            required.iter().filter(|name| !local.contains_key(*name)).map(String::as_str).collect();
        if !missing.is_empty() {
            let problem = Diagnostic::warning(format!("secrets are missing: {}", missing.join(", ")))
                .help("put them into .dev.vars or .env, or into the environment");
            spot.reporter.at(&spot.key_span, "required here", problem);
        }
    }
    let taken = other_bindings(section);
    let local = local.into_iter().filter(|(name, _)| !taken.contains(name.as_str()));
    vars.extend(local.map(|(name, value)| (name, Var::Text(value))));
    vars
}

/// The names of bindings that are no variables: a local variable does not replace them.
fn other_bindings<'a>(section: &Section<'a>) -> BTreeSet<&'a str> {
    let keys = KEYS.iter().filter(|key| !["vars", "secrets"].contains(&key.name));
    keys.filter_map(|key| Some((section.get(key.name)?, key.binding?.1)))
        .flat_map(|(spot, shape)| names::of(shape, spot.node))
        .map(|(name, _)| name)
        .collect()
}

impl Secrets<'_> {
    /// `.dev.vars.<env>`, else `.dev.vars`, else all of `.env`, `.env.local`, `.env.<env>` and
    /// `.env.<env>.local`, the later over the earlier. `declared` is whether the config lists the secrets it
    /// needs: then the process environment counts too.
    fn read(&mut self, declared: bool) -> BTreeMap<String, String> {
        let mut dev_vars: Vec<String> = self.env.map(|env| format!(".dev.vars.{env}")).into_iter().collect();
        dev_vars.push(".dev.vars".to_owned());
        let mut dotenv = vec![".env".to_owned(), ".env.local".to_owned()];
        dotenv.extend(
            self.env.into_iter().flat_map(|env| [format!(".env.{env}"), format!(".env.{env}.local")]),
        );
        self.watched.extend(dev_vars.iter().chain(&dotenv).map(|name| self.root.join(name)));
        if let Some(variables) = dev_vars.iter().find_map(|name| self.read_file(name)) {
            return variables.into_iter().collect();
        }
        let is = |variable: &str, value: &str| {
            self.environment.get(variable).is_some_and(|given| given.eq_ignore_ascii_case(value))
        };
        if is("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "false") {
            return BTreeMap::new();
        }
        let outer = if declared || is("CLOUDFLARE_INCLUDE_PROCESS_ENV", "true") {
            self.environment.clone()
        } else {
            BTreeMap::new()
        };
        let mut variables: Vec<(String, String)> = Vec::new();
        for (name, value) in dotenv.iter().filter_map(|file| self.read_file(file)).flatten() {
            match variables.iter_mut().find(|(other, _)| *other == name) {
                Some((_, earlier)) => *earlier = value,
                None => variables.push((name, value)),
            }
        }
        dotenv::expand(variables, &outer)
    }

    /// `None` if there is no such file.
    fn read_file(&mut self, name: &str) -> Option<Vec<(String, String)>> {
        let path = self.root.join(name);
        let problem = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let (variables, misfits) = dotenv::parse(&text.replace("\r\n", "\n").replace('\r', "\n"));
                for line in misfits {
                    let problem = Diagnostic::warning(format!("line {line} of {name} sets no variable"));
                    self.report(&path, problem.help("expected KEY=value; the line is ignored"));
                }
                return Some(variables);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => Diagnostic::error(format!("{name} cannot be read: {error}")),
        };
        self.report(&path, problem);
        None
    }

    /// Without an excerpt: what stands in these files is secret.
    fn report(&mut self, file: &Path, mut diagnostic: Diagnostic) {
        diagnostic.place = Some(Place::whole(file));
        self.diagnostics.push(diagnostic);
    }
}
