use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use selvedge_project::{Diagnostic, LoadError, LoadOptions, Loaded, Worker, load};

/// A project directory that goes away with the test.
pub(crate) struct Fixture {
    directory: tempfile::TempDir,
    pub(crate) options: LoadOptions,
}

impl Fixture {
    /// A directory with the given files, and an entry file for the Worker.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = LoadOptions {
            start: directory.path().to_owned(),
            today: "2026-11-22".to_owned(),
            ..LoadOptions::default()
        };
        let fixture = Self { directory, options };
        fixture.write("src/index.js", "export default {}");
        for (name, text) in files {
            fixture.write(name, text);
        }
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn env(mut self, env: &str) -> Self {
        self.options.env = Some(env.to_owned());
        self
    }

    pub(crate) fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        self.options.environment =
            variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
        self
    }

    pub(crate) fn configs(mut self, names: &[&str]) -> Self {
        self.options.configs = names.iter().map(|name| self.path(name)).collect();
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, LoadError> {
        load(&self.options)
    }

    /// The one Worker of a project without mistakes; warnings are allowed.
    pub(crate) fn worker(&self) -> Worker {
        let mut loaded = self.load().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.project.workers.len(), 1);
        loaded.project.workers.remove(0)
    }

    /// Everything there is to say about the project, as a person sees it, with `/app` for its directory.
    pub(crate) fn report(&self) -> String {
        let diagnostics = match self.load() {
            Ok(loaded) => loaded.warnings,
            Err(error) => error.diagnostics,
        };
        self.anonymous(&diagnostics.iter().map(|d| d.render(false)).collect::<Vec<_>>().join("\n\n"))
    }

    /// The messages of all diagnostics.
    pub(crate) fn messages(&self) -> Vec<String> {
        let message = |d: Diagnostic| d.message;
        match self.load() {
            Ok(loaded) => loaded.warnings.into_iter().map(message).collect(),
            Err(error) => error.diagnostics.into_iter().map(message).collect(),
        }
    }

    pub(crate) fn anonymous(&self, text: &str) -> String {
        text.replace(&self.root().display().to_string(), "/app")
    }
}

/// A complete wrangler.toml with `rest` behind the keys that every config has.
pub(crate) fn toml(rest: &str) -> Fixture {
    let head = "name = \"app\"\nmain = \"src/index.js\"\ncompatibility_date = \"2026-11-01\"\n";
    Fixture::new(&[("wrangler.toml", &format!("{head}{rest}"))])
}

/// A complete wrangler.jsonc, likewise; `rest` begins with a key.
pub(crate) fn jsonc(rest: &str) -> Fixture {
    let head =
        "{\n  \"name\": \"app\",\n  \"main\": \"src/index.js\",\n  \"compatibility_date\": \"2026-11-01\",\n";
    Fixture::new(&[("wrangler.jsonc", &format!("{head}{rest}\n}}\n"))])
}
