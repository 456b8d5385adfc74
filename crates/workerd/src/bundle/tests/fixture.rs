//! Projects on disk, and the real workerd to run what comes out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use selvedge_project::{Build, ModuleKind, Rule, Worker};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::command::command;
use crate::tools::{Bar, Search, Tool, default_cache, locate};
use crate::{Bundle, BundleError};

/// A real binary; installed on a machine that has none.
pub(super) async fn tool(tool: Tool) -> PathBuf {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let cache = default_cache(&environment);
    let search = Search { project: None, cache: &cache, environment: &environment };
    locate(tool, &search, &Bar::default()).await.unwrap()
}

/// A project in a directory of its own. `worker` may be changed before bundling.
pub(super) struct Fixture {
    directory: tempfile::TempDir,
    pub(super) worker: Worker,
}

impl Fixture {
    /// The first file is `main`.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join("app");
        fs::create_dir(&root).unwrap();
        fs::create_dir(directory.path().join("out")).unwrap();
        let main = root.join(files[0].0);
        let build = Build {
            base_dir: main.parent().unwrap().to_owned(),
            main,
            keep_names: true,
            rules: vec![
                rule(ModuleKind::Text, &["**/*.txt", "**/*.html", "**/*.sql"]),
                rule(ModuleKind::Data, &["**/*.bin"]),
                rule(ModuleKind::CompiledWasm, &["**/*.wasm", "**/*.wasm?module"]),
            ],
            ..Build::default()
        };
        let worker = Worker {
            name: "app".to_owned(),
            config: root.join("wrangler.jsonc"),
            root,
            compatibility_date: "2026-11-01".to_owned(),
            build: Some(build),
            ..Worker::default()
        };
        let fixture = Self { directory, worker };
        for (name, text) in files {
            fixture.write(name, text);
        }
        fixture
    }

    pub(super) fn build(&mut self) -> &mut Build {
        self.worker.build.as_mut().unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.worker.root.join(name)
    }

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) async fn bundle(&self) -> Result<Bundle, BundleError> {
        let output = self.directory.path().join("out");
        let bundle = crate::bundle(&tool(Tool::Esbuild).await, &self.worker, &output).await;
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0, "nothing is left behind");
        bundle
    }

    /// Bundles, runs the Worker in workerd and answers what a GET of `path` gives.
    pub(super) async fn answer(&self, path: &str) -> String {
        let bundle = self.bundle().await.unwrap();
        run(&bundle, &self.worker, path).await
    }
}

pub(super) fn rule(kind: ModuleKind, globs: &[&str]) -> Rule {
    Rule { kind, globs: globs.iter().map(|&glob| glob.to_owned()).collect(), fallthrough: true }
}

/// Runs the modules in workerd and answers what a GET of `path` gives, or what workerd says if it does not start.
pub(super) async fn run(bundle: &Bundle, worker: &Worker, path: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let modules: Vec<String> = bundle
        .modules
        .iter()
        .enumerate()
        .map(|(at, module)| {
            let field = match module.kind {
                ModuleKind::EsModule => "esModule",
                ModuleKind::CommonJs => "commonJsModule",
                ModuleKind::CompiledWasm => "wasm",
                ModuleKind::Text => "text",
                ModuleKind::Data => "data",
                ModuleKind::Json => "json",
            };
            fs::write(directory.path().join(at.to_string()), &module.bytes).unwrap();
            format!("(name = \"{}\", {field} = embed \"{at}\")", module.name)
        })
        .collect();
    let flags = worker.compatibility_flags.iter().chain(&bundle.compatibility_flags);
    let flags: Vec<String> = flags.map(|flag| format!("\"{flag}\"")).collect();
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\
         const config :Workerd.Config = (services = [(name = \"app\", worker = (modules = [{}], \
         compatibilityDate = \"{}\", compatibilityFlags = [{}]))], \
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"app\")]);\n",
        modules.join(", "),
        worker.compatibility_date,
        flags.join(", ")
    );
    fs::write(directory.path().join("config.capnp"), config).unwrap();
    let mut workerd = command(&tool(Tool::Workerd).await)
        .args(["serve", "config.capnp", "--control-fd=1"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(workerd.stdout.take().unwrap()).read_line(&mut ready).await.unwrap();
    let Ok(ready) = serde_json::from_str::<serde_json::Value>(&ready) else {
        let mut said = String::new();
        workerd.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        return said;
    };
    let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
    let answer = get(port, path).await;
    workerd.kill().await.unwrap();
    answer
}

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: app\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, body)| body.to_owned())
}

/// The names of a bundle's modules.
pub(super) fn names(bundle: &Bundle) -> Vec<&str> {
    bundle.modules.iter().map(|module| module.name.as_str()).collect()
}

/// The main module's text.
pub(super) fn code(bundle: &Bundle) -> &str {
    std::str::from_utf8(&bundle.modules[0].bytes).unwrap()
}

/// The messages of a build that must fail.
pub(super) async fn messages(fixture: &Fixture) -> String {
    match fixture.bundle().await {
        Err(BundleError::Build { messages, .. }) => messages,
        other => panic!("{other:?}"),
    }
}

/// Whether `path` is one of `inputs`.
pub(super) fn watched(inputs: &[PathBuf], path: &Path) -> bool {
    inputs.iter().any(|input| input == path)
}
