//! Durable Objects.

use selvedge_objects::ObjectClass;
use selvedge_project::DurableObjectBinding;
use selvedge_workerd::{AppWorker, Mode};
use serde_json::json;

use crate::support::{Lab, worker};

const COUNTER: &str = r#"
    import { DurableObject } from "cloudflare:workers";
    export class Counter extends DurableObject {
      constructor(ctx, env) {
        super(ctx, env);
        ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS seen (what TEXT)");
      }
      add(what) { this.ctx.storage.sql.exec("INSERT INTO seen VALUES (?)", what) }
      seen() { return this.ctx.storage.sql.exec("SELECT what FROM seen").toArray().map((row) => row.what) }
      async arm(millis) { await this.ctx.storage.setAlarm(Date.now() + millis) }
      alarm() { this.add("alarm") }
    }
    export default {
      async fetch(request, env) {
        const counter = env.COUNTER.getByName("one");
        const { pathname, searchParams } = new URL(request.url);
        if (pathname === "/add") await counter.add("added");
        if (pathname === "/arm") await counter.arm(Number(searchParams.get("in")));
        return Response.json(await counter.seen());
      },
    };
"#;

pub(crate) fn with_objects(
    mut worker: AppWorker,
    binding: &str,
    class: &str,
    script: Option<&str>,
) -> AppWorker {
    worker.worker.durable_objects.push(DurableObjectBinding {
        name: binding.to_owned(),
        class: class.to_owned(),
        script: script.map(str::to_owned),
    });
    if script.is_none() {
        let unique_key = [&worker.worker.name, "-", class].concat();
        worker.object_classes.push(ObjectClass { class: class.to_owned(), unique_key, sqlite: true });
    }
    worker
}

#[tokio::test]
async fn an_object_and_its_alarm_survive_a_restart() {
    let lab = Lab::new();
    let app = [with_objects(worker("app", COUNTER), "COUNTER", "Counter", None)];
    let running = lab.start(&app).await;
    assert_eq!(running.get("/add").await.json(), json!(["added"]));
    // Far enough away not to go off before the process is gone, near enough to wait for.
    running.get("/arm?in=1500").await;
    running.stop().await;
    let running = lab.start(&app).await;
    running.get_until("/", |answer| answer.json() == json!(["added", "alarm"])).await;
    running.stop().await;
    assert!(lab.objects().join("app-Counter").is_dir());
}

#[tokio::test]
async fn a_probe_leaves_the_objects_alone() {
    let lab = Lab { mode: Mode::Probe, ..Lab::new() };
    let running = lab.start(&[with_objects(worker("app", COUNTER), "COUNTER", "Counter", None)]).await;
    assert_eq!(running.get("/add").await.json(), json!(["added"]));
    running.stop().await;
    assert!(!lab.objects().exists());
}

#[tokio::test]
async fn an_object_of_another_worker_is_reached_through_its_script_name() {
    let lab = Lab::new();
    let owner = with_objects(worker("owner", COUNTER), "COUNTER", "Counter", None);
    let code = r"
        export default {
          async fetch(_, env) {
            const counter = env.THEIRS.getByName('shared');
            await counter.add('from outside');
            return Response.json(await counter.seen());
          },
        };
    ";
    let user = with_objects(worker("user", code), "THEIRS", "Counter", Some("owner"));
    let running = lab.start(&[user, owner]).await;
    assert_eq!(running.get("/").await.json(), json!(["from outside"]));
    running.stop().await;
}

#[tokio::test]
async fn an_object_of_an_absent_worker_says_which_worker_is_absent() {
    let lab = Lab::new();
    let code = r"
        export default {
          async fetch(_, env) {
            try { return new Response(await env.THEIRS.getByName('x').anything()) }
            catch (error) { return new Response(error.message) }
          },
        };
    ";
    let running = lab.start(&[with_objects(worker("user", code), "THEIRS", "Room", Some("chat"))]).await;
    let body = running.get("/").await.body;
    assert_eq!(body, r#"Worker "chat" is not part of this app: start it with --config"#);
    running.stop().await;
}
