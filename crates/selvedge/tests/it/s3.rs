//! `selvedge s3`, and S3 in `selvedge dev`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::orms::install;
use crate::support::{Node, Project, client, repository, run_apart};

/// A running endpoint, and what it said of itself.
pub(crate) async fn serve(directory: &Path) -> (Node, Value) {
    let node = Node::start(directory, &["s3", "data", "--listen", "127.0.0.1:0", "--json"]);
    node.printed("}", 1).await;
    let said = node.output();
    (node, serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}")))
}

fn address(place: &Value) -> &str {
    place["endpoint"].as_str().unwrap().strip_prefix("http://").unwrap()
}

/// What `dev` says of its endpoint, as `selvedge s3 --json` says it.
fn place_of(line: &str) -> Value {
    let word = |before: &str| line.split(before).nth(1).unwrap().split([',', ' ']).next().unwrap().to_owned();
    serde_json::json!({
        "endpoint": format!("http://{}", word("http://")),
        "accessKeyId": word("key "),
        "secretAccessKey": word("secret "),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_keeps_its_key_and_its_objects() {
    let directory = tempfile::tempdir().unwrap();
    let (node, first) = serve(directory.path()).await;
    assert_eq!(client(address(&first)).get("/").await.status, 401);
    let (code, _, said) = run_apart(directory.path(), &["s3", "data", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("in use"), "{said}");

    // Keys are made beside the running endpoint, and work at once.
    let arguments = ["s3", "key", "create", "ci", "--bucket", "builds", "--persist-to", "data"];
    let (code, made, said) = run_apart(directory.path(), &arguments).await;
    assert_eq!(code, Some(0), "{said}");
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(
        (made["permission"].as_str(), made["buckets"][0].as_str()),
        (Some("object-read-write"), Some("builds"))
    );
    node.kill().await;

    let (node, second) = serve(directory.path()).await;
    for field in ["accessKeyId", "secretAccessKey", "directory"] {
        assert_eq!(first[field], second[field]);
    }
    let (_, listed, _) = run_apart(directory.path(), &["s3", "key", "list", "--persist-to", "data"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(first["secretAccessKey"].as_str().unwrap()), "{listed}");
    let id = made["accessKeyId"].as_str().unwrap();
    let (code, ..) = run_apart(directory.path(), &["s3", "key", "delete", id, "--persist-to", "data"]).await;
    assert_eq!(code, Some(0));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_serves_the_projects_buckets_where_it_is_asked_to() {
    let project = Project::new(&[
        (
            "wrangler.toml",
            "name = \"app\"\nmain = \"worker.js\"\ncompatibility_date = \"2026-01-01\"\n\
             [[r2_buckets]]\nbinding = \"BUCKET\"\nbucket_name = \"photos\"\n",
        ),
        (
            "worker.js",
            "export default { async fetch(request, env) {\n\
               await env.BUCKET.put('from-worker', 'hello');\n\
               return new Response(await (await env.BUCKET.get('from-worker')).text());\n\
             } }\n",
        ),
    ]);
    let mut node = project.dev(&["--s3-port", "0"]).await;
    let line = node.said("S3 on http://").await;
    assert_eq!(node.get("/").await.text(), "hello");
    let place = place_of(&line);
    let address = address(&place);
    assert_eq!(client(address).get("/photos/from-worker").await.status, 401);
    let Some(python) = python().await else { return };
    let script = "import boto3, json, sys\n\
                  p = json.load(sys.stdin)\n\
                  s3 = boto3.client('s3', endpoint_url=p['endpoint'], aws_access_key_id=p['accessKeyId'],\n\
                                    aws_secret_access_key=p['secretAccessKey'], region_name='auto')\n\
                  print(s3.get_object(Bucket='photos', Key='from-worker')['Body'].read())\n";
    let (good, said) = script_says(&python, &["-c", script], &place).await;
    assert!(good && said.contains("hello"), "{said}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_javascript_works_in_a_worker() {
    const FIXTURE: &str = "fixtures/workers/aws-sdk";
    let modules = install(FIXTURE).await;
    let project = Project::copy(FIXTURE);
    std::os::unix::fs::symlink(modules, project.path().join("node_modules")).unwrap();
    let mut node = project.dev(&["--s3-port", "0"]).await;
    let place = place_of(&node.said("S3 on http://").await);
    let word = |name: &str| place[name].as_str().unwrap();
    let target = format!(
        "/check?endpoint={}&id={}&secret={}",
        word("endpoint"),
        word("accessKeyId"),
        word("secretAccessKey")
    );
    let report = node.get(&target).await.json();
    let results = report["results"].as_array().unwrap_or_else(|| panic!("{report:#}\n{}", node.output()));
    let failed: Vec<_> = results.iter().filter(|result| result["ok"] != true).collect();
    assert!(failed.is_empty() && results.len() == 14, "{failed:#?}\n{}", node.output());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_does_what_its_users_do() {
    let Some(python) = python().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let (node, place) = serve(directory.path()).await;
    let script = repository().join("fixtures/s3-clients/boto3_flows.py");
    let (good, said) = script_says(&python, &[script.to_str().unwrap()], &place).await;
    assert!(good && said.contains("11 passed, 0 failed"), "{said}");
    node.stop().await;
}

#[expect(clippy::disallowed_methods, reason = "a test starts the clients that users have")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

async fn script_says(python: &Path, arguments: &[&str], place: &Value) -> (bool, String) {
    let mut child = command(python)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(place.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// A Python with boto3, from the tool cache or put there. `None`, with a word on why, where that cannot be had.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn python() -> Option<PathBuf> {
    const WANTED: &str = "boto3==1.44.5";
    // Tests that run at once make it once.
    static MAKING: tokio::sync::OnceCell<Option<PathBuf>> = tokio::sync::OnceCell::const_new();
    let made = MAKING.get_or_init(|| async {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        let home = cache.join("selvedge").join("python-boto3");
        let python = home.join("bin/python");
        let done = |output: std::io::Result<std::process::Output>| output.is_ok_and(|o| o.status.success());
        let has = format!("import boto3; assert boto3.__version__ == {:?}", &WANTED[7..]);
        if done(command(&python).args(["-c", &has]).output().await) {
            return Some(python);
        }
        let venv = command(Path::new("python3")).args(["-m", "venv", "--clear"]).arg(&home).output().await;
        let install = ["-m", "pip", "install", "--quiet", WANTED];
        if done(venv) && done(command(&python).args(install).output().await) {
            return Some(python);
        }
        eprintln!("skipped: boto3 cannot be had here (python3 with venv and pip is needed)");
        None
    });
    made.await.clone()
}
