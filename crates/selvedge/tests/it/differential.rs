//! The same probe Worker on Selvedge and on the real thing, answer by answer.
//!
//! KV and D1 are compared with what workerd bundles, R2 with `wrangler dev`. Differences that are known and
//! meant are in `fixtures/workers/probe/differences.json`, each with its reason; one that is listed but no
//! longer there fails the test as much as one that is not listed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use selvedge_workerd::{Search, Tool};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::{Project, repository};

const PROBE: &str = "fixtures/workers/probe";

/// Another runtime serving the probe. Ended, with what it started, when dropped.
struct Peer {
    child: Child,
    address: String,
    _project: Project,
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(group) =
            self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).unwrap()))
        {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Peer {
    async fn start(mut command: Command, project: Project, port: u16) -> Self {
        let log = std::fs::File::create(project.path().join("peer.log")).unwrap();
        let child = command
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let mut peer = Self { child, address: format!("127.0.0.1:{port}"), _project: project };
        for _ in 0..600 {
            if TcpStream::connect(&peer.address).await.is_ok() {
                return peer;
            }
            if let Some(status) = peer.child.try_wait().unwrap() {
                panic!("the peer ended with {status}: {}", peer._project.read("peer.log"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the peer never listened: {}", peer._project.read("peer.log"));
    }

    /// workerd with its bundled KV and D1.
    #[expect(clippy::disallowed_methods, reason = "a peer is started as its users start it")]
    async fn workerd() -> Self {
        let project = Project::copy(PROBE);
        let config = project.path().join("wrangler.no-r2.jsonc");
        std::fs::rename(config, project.path().join("wrangler.jsonc")).unwrap();
        let port = free_port();
        let mut command = Command::new(tool(Tool::Workerd).await);
        command
            .args(["serve", "wrangler.jsonc", "--experimental", "--socket-addr"])
            .arg(format!("http=127.0.0.1:{port}"))
            .env("WORKERD_ESBUILD", tool(Tool::Esbuild).await);
        Self::start(command, project, port).await
    }

    /// `wrangler dev`, installed through npm once.
    #[expect(clippy::disallowed_methods, reason = "a peer is started as its users start it")]
    async fn wrangler() -> Self {
        let directory = cache().join("peers");
        let wrangler = directory.join("node_modules/.bin/wrangler");
        if !wrangler.exists() {
            std::fs::create_dir_all(&directory).unwrap();
            let installed = Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--silent", "wrangler@4.86.0"])
                .current_dir(&directory)
                .stdin(Stdio::null())
                .status();
            assert!(installed.await.unwrap().success(), "npm could not install wrangler");
        }
        let project = Project::copy(PROBE);
        let port = free_port();
        let mut command = Command::new(wrangler);
        command
            .args(["dev", "--ip", "127.0.0.1", "--show-interactive-dev-session=false", "--port"])
            .arg(port.to_string())
            .envs([("WRANGLER_SEND_METRICS", "false"), ("CI", "1")]);
        Self::start(command, project, port).await
    }

    async fn probe(&self, what: &str) -> BTreeMap<String, Value> {
        let node = crate::support::client(&self.address);
        outcomes(&node.get(&format!("/probe/{what}")).await.body, what)
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

fn cache() -> PathBuf {
    selvedge_workerd::default_cache(&environment())
}

async fn tool(tool: Tool) -> PathBuf {
    let (cache, environment) = (cache(), environment());
    let search = Search { project: None, cache: &cache, environment: &environment };
    selvedge_workerd::locate(tool, &search, &selvedge_workerd::Bar::default()).await.unwrap()
}

fn outcomes(body: &[u8], what: &str) -> BTreeMap<String, Value> {
    let text = String::from_utf8_lossy(body);
    let map: BTreeMap<String, Value> =
        serde_json::from_slice(body).unwrap_or_else(|e| panic!("{what}: {e}: {text}"));
    assert!(map.len() > 50, "{what} has only {} outcomes", map.len());
    map
}

fn known_differences(what: &str) -> BTreeMap<String, String> {
    let path: &Path = &repository().join(PROBE).join("differences.json");
    let all: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all.get(what).cloned().unwrap_or_default()
}

fn compare(what: &str, ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) {
    let known = known_differences(what);
    let mut unexplained = Vec::new();
    for name in ours.keys().chain(theirs.keys().filter(|n| !ours.contains_key(*n))) {
        let (our, their) = (ours.get(name), theirs.get(name));
        match (our == their, known.contains_key(name)) {
            (true, true) => unexplained.push(format!("{name}: listed as different, but both say {our:?}")),
            (false, false) => unexplained.push(format!("{name}:\n  ours   {our:?}\n  theirs {their:?}")),
            _ => {}
        }
    }
    unexplained
        .extend(known.keys().filter(|n| !ours.contains_key(*n)).map(|n| format!("{n}: no such outcome")));
    assert!(unexplained.is_empty(), "{what}: {} unexplained\n{}", unexplained.len(), unexplained.join("\n"));
}

#[tokio::test]
async fn kv_and_d1_answer_as_workerd_does() {
    let peer = Peer::workerd().await;
    let project = Project::copy(PROBE);
    let node = project.dev(&[]).await;
    for what in ["kv", "d1"] {
        let ours = outcomes(&node.get(&format!("/probe/{what}")).await.body, what);
        compare(what, &ours, &peer.probe(what).await);
    }
    node.stop().await;
}

#[tokio::test]
async fn r2_answers_as_wrangler_does() {
    let peer = Peer::wrangler().await;
    let project = Project::copy(PROBE);
    let node = project.dev(&[]).await;
    let ours = outcomes(&node.get("/probe/r2").await.body, "r2");
    compare("r2", &ours, &peer.probe("r2").await);
    node.stop().await;
}
