//! How processes end.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use selvedge_workerd::{Process, StartOptions, kill_leftover};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::support::{Lab, PATIENCE, worker, workerd};

fn is_alive(pid: u32) -> bool {
    // One that ended but was not asked for its status has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const SLOW: &str = r#"
    export default {
      async fetch(request) {
        if (request.url.endsWith("/slow")) await new Promise((done) => setTimeout(done, 700));
        if (request.url.endsWith("/forever")) await new Promise(() => setInterval(() => {}, 1000));
        return new Response("done");
      },
    };
"#;

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_process_ends() {
    let lab = Lab::new();
    let mut running = lab.start(&[worker("app", SLOW)]).await;
    let mut stream = ask(&lab.http(), "/slow").await;
    running.process.stop(PATIENCE).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    assert_eq!(running.process.exited().await.to_string(), "ended with code 0");
}

#[tokio::test]
async fn a_connection_that_stays_open_is_cut_at_the_deadline() {
    let lab = Lab::new();
    let mut running = lab.start(&[worker("app", SLOW)]).await;
    let mut stream = ask(&lab.http(), "/forever").await;
    running.process.stop(Duration::from_millis(300)).await;
    assert_eq!(running.process.exited().await.to_string(), "was ended by signal 9");
    assert!(!is_alive(running.process.id()));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

/// Sends a request and waits until the process must have it.
async fn ask(socket: &Path, path: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    // Another answer on a later connection: requests are read in order of arrival.
    let mut later = UnixStream::connect(socket).await.unwrap();
    later.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    later.read_to_end(&mut Vec::new()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_process_that_dies_is_noticed_and_can_be_replaced() {
    let lab = Lab::new();
    let app = [worker("app", SLOW)];
    let mut running = lab.start(&app).await;
    let id = running.process.id();
    kill(id);
    assert_eq!(running.process.exited().await.to_string(), "was ended by signal 9");
    // Stopping what has ended is no mistake.
    running.process.stop(PATIENCE).await;
    let again = lab.start(&app).await;
    assert_eq!(again.get("/").await.body, "done");
    again.stop().await;
}

#[tokio::test]
async fn dropping_a_process_kills_it() {
    let lab = Lab::new();
    let running = lab.start(&[worker("app", SLOW)]).await;
    let id = running.process.id();
    drop(running);
    until("it is gone", || !is_alive(id)).await;
}

const CHILD: &str = "SELVEDGE_TEST_CHILD";

/// Not a test of its own: the process that the next tests kill. It starts a workerd, prints its id, waits.
#[tokio::test]
async fn child_that_is_killed() {
    let Ok(config) = std::env::var(CHILD) else { return };
    let (events, _receiver) = mpsc::channel(1024);
    let process =
        Process::start(&workerd().await, Path::new(&config), StartOptions::default(), events).await.unwrap();
    std::fs::write(Path::new(&config).with_file_name("id"), process.id().to_string()).unwrap();
    std::future::pending::<()>().await;
}

/// Starts a process of ours that starts workerd; returns both ids.
async fn parent_and_child(lab: &Lab) -> (std::process::Child, u32) {
    // For the config alone.
    lab.start(&[worker("app", SLOW)]).await.stop().await;
    std::fs::remove_file(lab.http()).unwrap();
    let id = lab.path().join("config/id");
    #[expect(clippy::disallowed_methods, reason = "the test is about a process of ours that is killed")]
    let parent = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifetime::child_that_is_killed"])
        .env(CHILD, lab.config())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the child is there", || std::fs::read(&id).is_ok_and(|id| !id.is_empty())).await;
    let child = std::fs::read_to_string(&id).unwrap().parse().unwrap();
    assert!(is_alive(child));
    (parent, child)
}

#[tokio::test]
async fn workerd_dies_when_we_are_killed() {
    let lab = Lab::new();
    let (mut parent, child) = parent_and_child(&lab).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("workerd is gone", || !is_alive(child)).await;
}

#[tokio::test]
async fn a_workerd_that_outlived_us_is_found_and_killed() {
    let lab = Lab::new();
    let (mut parent, child) = parent_and_child(&lab).await;
    // Without its watchdog, as if we had been killed before there was one.
    let watchdog = watchdog_of(child);
    kill(watchdog);
    until("the watchdog is gone", || !is_alive(watchdog)).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(is_alive(child));
    kill_leftover(&lab.path().join("elsewhere")).await;
    assert!(is_alive(child));
    kill_leftover(lab.path()).await;
    assert!(!is_alive(child));
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn watchdog_of(pid: u32) -> u32 {
    let ending = [b"\0sh\0", pid.to_string().as_bytes(), b"\0"].concat();
    let found = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.ends_with(&ending)));
    found.unwrap().file_name().to_str().unwrap().parse().unwrap()
}
