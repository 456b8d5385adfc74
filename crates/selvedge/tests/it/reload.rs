//! Edit, and it reloads; break it, and what was there before goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Node, Project};

const CONFIG: &str = r#"{ "name": "app", "main": "src/index.ts", "compatibility_date": "2026-10-01" }"#;

const WITH_OBJECT: &str = r#"{
  "name": "app", "main": "src/index.ts", "compatibility_date": "2026-10-01",
  "durable_objects": { "bindings": [{ "name": "COUNTER", "class_name": "Counter" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Counter"] }]
}"#;

fn says(text: &str) -> String {
    format!("export default {{ fetch(): Response {{ return new Response({text:?}); }} }};\n")
}

fn counts(text: &str) -> String {
    format!(
        r#"import {{ DurableObject }} from "cloudflare:workers";
export class Counter extends DurableObject {{
  async fetch() {{
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return new Response("{text} " + n);
  }}
}}
export default {{
  fetch(request, env) {{ return env.COUNTER.get(env.COUNTER.idFromName("c")).fetch(request); }}
}};
"#
    )
}

#[tokio::test]
async fn a_change_is_served_and_a_mistake_is_shown_while_the_old_version_serves() {
    let project = Project::new(&[("wrangler.jsonc", CONFIG), ("src/index.ts", &says("one"))]);
    let mut node = project.dev(&[]).await;
    assert_eq!(node.get("/").await.text(), "one");

    project.write("src/index.ts", &says("two"));
    node.said_times("Reloaded in", 1).await;
    assert_eq!(node.get("/").await.text(), "two");

    project.write("src/index.ts", "export default {\n  fetch( { return 1 }\n};\n");
    let shown = node.said("index.ts:2:").await;
    assert!(shown.contains("index.ts:2:"), "{shown}");
    node.said("The version before still serves.").await;
    assert_eq!(node.get("/").await.text(), "two");

    project.write("src/index.ts", &says("three"));
    node.said_times("Reloaded in", 2).await;
    assert_eq!(node.get("/").await.text(), "three");

    // A Worker that bundles but does not start.
    project.write("src/index.ts", "throw new Error('at the top');\nexport default {};\n");
    node.said("at the top").await;
    node.said_times("The version before still serves.", 2).await;
    assert_eq!(node.get("/").await.text(), "three");

    let config = CONFIG.replace("\"main\"", "\"vars\": { \"WHO\": \"four\" }, \"main\"");
    project.write("src/index.ts", "export default { fetch(_, env) { return new Response(env.WHO); } };\n");
    project.write("wrangler.jsonc", &config);
    node.said_times("Reloaded in", 3).await;
    assert_eq!(node.get("/").await.text(), "four");

    project.write("wrangler.jsonc", "{ \"name\": \"app\", ");
    node.said("wrangler.jsonc:1").await;
    assert_eq!(node.get("/").await.text(), "four");
    node.stop().await;
}

#[tokio::test]
async fn a_build_that_fails_at_the_start_is_shown_on_the_page_until_it_is_mended() {
    let project = Project::new(&[("wrangler.jsonc", CONFIG), ("src/index.ts", "export default {\n")]);
    let mut node = project.start(&[]);
    node.listening().await;
    let page = node.get("/").await;
    assert_eq!(page.status, 503);
    assert!(page.text().contains("index.ts"), "{}", page.text());
    project.write("src/index.ts", &says("mended"));
    node.said("Reloaded in").await;
    assert_eq!(node.get("/").await.text(), "mended");
    node.stop().await;
}

/// Sends requests without a pause until told to stop; every one must be answered well.
async fn hammer(node: &Node, until: impl Future<Output = ()>) -> Vec<String> {
    let done = AtomicBool::new(false);
    let asking = async {
        let mut answers = Vec::new();
        while !done.load(Ordering::Relaxed) {
            let reply = node.get("/").await;
            assert_eq!(reply.status, 200, "{}\n{}", reply.text(), node.output());
            answers.push(reply.text());
        }
        answers
    };
    let editing = async {
        until.await;
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(asking, editing).0
}

#[tokio::test]
async fn no_request_is_lost_while_versions_change() {
    let project = Project::new(&[("wrangler.jsonc", CONFIG), ("src/index.ts", &says("v0"))]);
    let node = project.dev(&[]).await;
    let edits = async {
        for n in 1..=5 {
            project.write("src/index.ts", &says(&format!("v{n}")));
            node.printed("Reloaded in", n).await;
        }
    };
    let answers = hammer(&node, edits).await;
    assert!(answers.len() > 5);
    assert_eq!(node.get("/").await.text(), "v5");
    node.stop().await;
}

#[tokio::test]
async fn objects_keep_counting_across_versions_and_are_never_open_twice() {
    let project = Project::new(&[("wrangler.jsonc", WITH_OBJECT), ("src/index.ts", &counts("v0"))]);
    let node = project.dev(&[]).await;
    let edits = async {
        for n in 1..=4 {
            project.write("src/index.ts", &counts(&format!("v{n}")));
            node.printed("Reloaded in", n).await;
        }
    };
    let answers = hammer(&node, edits).await;
    let numbers: Vec<usize> = answers.iter().map(|a| a.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    let expected: Vec<usize> = (1..=numbers.len()).collect();
    assert_eq!(numbers, expected, "each request counted once, in order");
    let last = node.get("/").await.text();
    assert_eq!(last, format!("v4 {}", numbers.len() + 1));
    node.stop().await;
}

#[tokio::test]
async fn objects_may_leave_the_config_and_come_back() {
    let project = Project::new(&[("wrangler.jsonc", WITH_OBJECT), ("src/index.ts", &counts("v"))]);
    let node = project.dev(&[]).await;
    assert_eq!(node.get("/").await.text(), "v 1");
    project.write("src/index.ts", &says("none"));
    node.printed("the Worker did not start", 1).await;
    assert_eq!(node.get("/").await.text(), "v 2", "its class is gone, but the config still names it");
    project.write("wrangler.jsonc", CONFIG);
    node.printed("Reloaded in", 1).await;
    assert_eq!(node.get("/").await.text(), "none");
    project.write("src/index.ts", &counts("back"));
    node.printed("Reloaded in", 2).await;
    project.write("wrangler.jsonc", WITH_OBJECT);
    node.printed("Reloaded in", 3).await;
    assert_eq!(node.get("/").await.text(), "back 3");
    node.stop().await;
}

#[tokio::test]
async fn a_runtime_that_dies_is_started_again() {
    let project = Project::new(&[("wrangler.jsonc", WITH_OBJECT), ("src/index.ts", &counts("v"))]);
    let mut node = project.dev(&[]).await;
    assert_eq!(node.get("/").await.text(), "v 1");
    kill_process(workerd_of(&node), Signal::KILL).unwrap();
    node.said("the runtime died").await;
    node.said("The runtime runs again").await;
    assert_eq!(node.get("/").await.text(), "v 2");
    node.stop().await;
}

#[tokio::test]
async fn nothing_is_left_running_after_kill_9_and_the_data_is_there() {
    let project = Project::new(&[("wrangler.jsonc", WITH_OBJECT), ("src/index.ts", &counts("v"))]);
    let node = project.dev(&[]).await;
    assert_eq!(node.get("/").await.text(), "v 1");
    let workerd = workerd_of(&node);
    node.kill().await;
    let node = project.dev(&[]).await;
    assert!(!is_alive(workerd), "the old workerd must not share the objects with the new one");
    assert_eq!(node.get("/").await.text(), "v 2");
    node.stop().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// The workerd below the node.
fn workerd_of(node: &Node) -> Pid {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let name = stat.split(['(', ')']).nth(1).unwrap().to_owned();
        let parent: u32 =
            stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
        parents.push((id, parent, name));
    }
    let mut wanted = vec![node.id()];
    while let Some(id) = wanted.pop() {
        for (child, parent, name) in &parents {
            if *parent == id && name == "workerd" {
                return Pid::from_raw(i32::try_from(*child).unwrap()).unwrap();
            }
            if *parent == id {
                wanted.push(*child);
            }
        }
    }
    panic!("no workerd below {}", node.id());
}

fn is_alive(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}
