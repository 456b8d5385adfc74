//! The same probe Worker on Selvedge and on the real thing, answer by answer.
//!
//! KV and D1 are compared with what workerd bundles, R2 with `wrangler dev`. Differences that are known and
//! meant are in `fixtures/workers/probe/differences.json`, each with its reason; one that is listed but no
//! longer there fails the test as much as one that is not listed. Where many outcomes differ in one field for
//! one reason, the list names the field with what it says here and there: that pair of values is passed over
//! wherever the field holds it, and no other.

use std::collections::BTreeMap;
use std::path::PathBuf;
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
    project: Project,
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
        let mut peer = Self { child, address: format!("127.0.0.1:{port}"), project };
        for _ in 0..600 {
            if TcpStream::connect(&peer.address).await.is_ok() {
                return peer;
            }
            if let Some(status) = peer.child.try_wait().unwrap() {
                panic!("the peer ended with {status}: {}", peer.project.read("peer.log"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the peer never listened: {}", peer.project.read("peer.log"));
    }

    /// workerd with its bundled KV and D1.
    #[expect(clippy::disallowed_methods, reason = "a peer is started as its users start it")]
    async fn workerd() -> Self {
        let project = Project::copy(PROBE);
        let config = project.path().join("wrangler.no-r2.jsonc");
        std::fs::rename(config, project.path().join("wrangler.jsonc")).unwrap();
        let port = selvedge_databases::free_port().unwrap();
        let mut command = Command::new(tool(Tool::Workerd).await);
        command
            .args(["serve", "wrangler.jsonc", "--experimental", "--socket-addr"])
            .arg(format!("http=127.0.0.1:{port}"))
            .env("WORKERD_ESBUILD", tool(Tool::Esbuild).await);
        Self::start(command, project, port).await
    }

    /// `wrangler dev`, installed through npm once, in the versions of the lock file.
    #[expect(clippy::disallowed_methods, reason = "a peer is started as its users start it")]
    async fn wrangler() -> Self {
        let directory = cache().join("peers");
        let wrangler = directory.join("node_modules/.bin/wrangler");
        if !wrangler.exists() {
            std::fs::create_dir_all(&directory).unwrap();
            for file in ["package.json", "package-lock.json"] {
                let pinned = repository().join("fixtures/peers").join(file);
                std::fs::copy(pinned, directory.join(file)).unwrap();
            }
            let installed = Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--silent"])
                .current_dir(&directory)
                .stdin(Stdio::null())
                .status();
            assert!(installed.await.unwrap().success(), "npm could not install wrangler");
        }
        let project = Project::copy(PROBE);
        let port = selvedge_databases::free_port().unwrap();
        let mut command = Command::new(wrangler);
        command
            .args(["dev", "--ip", "127.0.0.1", "--show-interactive-dev-session=false", "--port"])
            .arg(port.to_string())
            .envs([("WRANGLER_SEND_METRICS", "false"), ("CI", "1")])
            // The workerd of its own is older: with ours, only the simulator differs.
            .env("MINIFLARE_WORKERD_PATH", tool(Tool::Workerd).await);
        Self::start(command, project, port).await
    }

    async fn probe(&self, what: &str) -> BTreeMap<String, Value> {
        let node = crate::support::client(&self.address);
        outcomes(&node.get(&format!("/probe/{what}")).await.body, what)
    }
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

/// What is known to differ for one primitive.
struct Known {
    /// An outcome's name to why it differs.
    outcomes: BTreeMap<String, String>,
    /// Differences that many outcomes share: `field`, what it is in `ours` and in `theirs`, and `why`.
    fields: Vec<BTreeMap<String, Value>>,
}

impl Known {
    fn read(what: &str) -> Self {
        let text = std::fs::read_to_string(repository().join(PROBE).join("differences.json")).unwrap();
        let mut all: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&text).unwrap();
        let mut take = |part: &str| all.get_mut(what).and_then(|known| known.remove(part)).unwrap();
        let (outcomes, fields) = (take("outcomes"), take("fields"));
        Self {
            outcomes: serde_json::from_value(outcomes).unwrap(),
            fields: serde_json::from_value(fields).unwrap(),
        }
    }

    /// Which of the fields explains `difference`.
    fn field(&self, difference: &Difference) -> Option<usize> {
        self.fields.iter().position(|field| {
            assert!(field["why"].is_string());
            field["field"].as_str() == difference.path.rsplit('.').next()
                && Some(&field["ours"]) == difference.ours.as_ref()
                && Some(&field["theirs"]) == difference.theirs.as_ref()
        })
    }
}

/// One place where two outcomes differ. What is `None` is not there.
struct Difference {
    path: String,
    ours: Option<Value>,
    theirs: Option<Value>,
}

impl Difference {
    fn all(ours: Option<&Value>, theirs: Option<&Value>) -> Vec<Self> {
        let mut found = Vec::new();
        Self::collect(String::new(), ours, theirs, &mut found);
        found
    }

    fn collect(path: String, ours: Option<&Value>, theirs: Option<&Value>, found: &mut Vec<Self>) {
        match (ours, theirs) {
            (Some(Value::Object(our)), Some(Value::Object(their))) => {
                for key in our.keys().chain(their.keys().filter(|k| !our.contains_key(*k))) {
                    Self::collect(format!("{path}.{key}"), our.get(key), their.get(key), found);
                }
            }
            (Some(Value::Array(our)), Some(Value::Array(their))) => {
                for at in 0..our.len().max(their.len()) {
                    Self::collect(format!("{path}.{at}"), our.get(at), their.get(at), found);
                }
            }
            _ if ours == theirs => {}
            _ => found.push(Self { path, ours: ours.cloned(), theirs: theirs.cloned() }),
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text =
            |side: &Option<Value>| side.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        write!(f, "  {}: ours {}, theirs {}", self.path, text(&self.ours), text(&self.theirs))
    }
}

fn compare(what: &str, ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) {
    let known = Known::read(what);
    let mut used = vec![0; known.fields.len()];
    let mut complaints = Vec::new();
    for name in ours.keys().chain(theirs.keys().filter(|n| !ours.contains_key(*n))) {
        let mut differences = Difference::all(ours.get(name), theirs.get(name));
        differences.retain(|difference| known.field(difference).map(|at| used[at] += 1).is_none());
        match (differences.is_empty(), known.outcomes.contains_key(name)) {
            (true, true) => complaints.push(format!("{name}: is listed, but does not differ")),
            (false, false) => {
                let lines: Vec<String> = differences.iter().map(Difference::to_string).collect();
                complaints.push(format!("{name}:\n{}", lines.join("\n")));
            }
            _ => {}
        }
    }
    let gone = known.outcomes.keys().filter(|n| !ours.contains_key(*n) && !theirs.contains_key(*n));
    complaints.extend(gone.map(|name| format!("{name}: is listed, but there is no such outcome")));
    let idle = known.fields.iter().zip(&used).filter(|(_, times)| **times == 0);
    complaints.extend(
        idle.map(|(field, _)| format!("the field {}: is listed, but never differs so", field["field"])),
    );
    let (count, of) = (complaints.len(), ours.len());
    assert!(
        complaints.is_empty(),
        "{what}: {count} complaints about {of} outcomes\n{}",
        complaints.join("\n")
    );
}

async fn ours(what: &str) -> BTreeMap<String, Value> {
    let project = Project::copy(PROBE);
    let node = project.dev(&[]).await;
    let ours = outcomes(&node.get(&format!("/probe/{what}")).await.body, what);
    node.stop().await;
    ours
}

#[tokio::test]
async fn kv_answers_as_workerd_does() {
    compare("kv", &ours("kv").await, &Peer::workerd().await.probe("kv").await);
}

#[tokio::test]
async fn d1_answers_as_workerd_does() {
    compare("d1", &ours("d1").await, &Peer::workerd().await.probe("d1").await);
}

#[tokio::test]
async fn r2_answers_as_wrangler_does() {
    compare("r2", &ours("r2").await, &Peer::wrangler().await.probe("r2").await);
}

/// What the probe's KV part answers with these settings of its namespace.
async fn kv_with(settings: &str) -> BTreeMap<String, Value> {
    let project = Project::copy(PROBE);
    project.write("selvedge.toml", &format!("[kv.KV]\n{settings}\n"));
    let node = project.dev(&[]).await;
    let outcomes = outcomes(&node.get("/probe/kv").await.body, "kv");
    node.stop().await;
    outcomes
}

#[tokio::test]
async fn a_namespace_kept_in_the_isolate_answers_as_one_that_is_not() {
    let plain = kv_with("consistency = \"edge\"").await;
    let kept = kv_with("consistency = \"edge\"\nisolate_cache = true").await;
    let mut complaints = Vec::new();
    for name in plain.keys().chain(kept.keys().filter(|name| !plain.contains_key(*name))) {
        let differences = Difference::all(kept.get(name), plain.get(name));
        // Where an answer was kept differs; what it is must not.
        let meant = |difference: &&Difference| !difference.path.ends_with("cacheStatus");
        complaints.extend(differences.iter().filter(meant).map(|difference| format!("{name}: {difference}")));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
