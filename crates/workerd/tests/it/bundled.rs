//! Queues, cron triggers and workflows: workerd's own Workers, configured by us.

use selvedge_project::{QueueConsumer, QueueProducer, Workflow};
use selvedge_workerd::{AppWorker, Mode};
use serde_json::json;

use crate::support::{Lab, now, worker};

fn queue(mut worker: AppWorker, produces: bool, consumes: bool) -> AppWorker {
    if produces {
        worker
            .worker
            .queue_producers
            .push(QueueProducer { binding: "Q".to_owned(), queue: "jobs".to_owned() });
    }
    if consumes {
        worker.worker.queue_consumers.push(QueueConsumer {
            queue: "jobs".to_owned(),
            max_batch_size: Some(2),
            max_batch_timeout: Some(0),
            max_retries: Some(1),
            retry_delay: Some(0),
            dead_letter_queue: Some("dead".to_owned()),
            ..QueueConsumer::default()
        });
        worker.worker.queue_consumers.push(QueueConsumer {
            queue: "dead".to_owned(),
            max_batch_timeout: Some(0),
            ..QueueConsumer::default()
        });
    }
    worker
}

#[tokio::test]
async fn a_message_goes_from_its_producer_to_the_consumer_in_another_worker() {
    let lab = Lab::new();
    let producer = r#"
        export default {
          async fetch(_, env) { await env.Q.send({ n: 1 }); await env.Q.send("poison"); return new Response("sent") },
        };
    "#;
    let consumer = r#"
        export default {
          async queue(batch) {
            for (const message of batch.messages) {
              console.log("consumed", batch.queue, JSON.stringify(message.body), "attempt", message.attempts);
              if (batch.queue === "jobs" && message.body === "poison") message.retry();
            }
          },
        };
    "#;
    let app =
        [queue(worker("producer", producer), true, false), queue(worker("consumer", consumer), false, true)];
    let running = lab.start(&app).await;
    assert_eq!(running.get("/").await.body, "sent");
    let (whose, _, _) = running.said.log(r#"consumed jobs {"n":1} attempt 1"#).await;
    assert_eq!(whose.as_deref(), Some("consumer"));
    running.said.log(r#"consumed jobs "poison" attempt 2"#).await;
    running.said.log(r#"consumed dead "poison""#).await;
    running.stop().await;
    assert!(lab.objects().join("selvedge.queues").is_dir());
}

#[tokio::test]
async fn a_cron_trigger_is_armed_for_its_worker() {
    let lab = Lab::new();
    let mut app = worker("app", "export default { fetch() {}, scheduled() {} }");
    app.worker.crons = vec!["*/5 * * * *".to_owned(), "0 0 1 * *".to_owned()];
    let running = lab.start(std::slice::from_ref(&app)).await;
    running.said.wait_for(|event| format!("{event:?}").contains("armed").then_some(())).await;
    running.stop().await;
    assert!(lab.objects().join("selvedge.cron").is_dir());

    let probe = Lab { mode: Mode::Probe, ..Lab::new() };
    let running = probe.start(&[app]).await;
    running.stop().await;
    assert!(!std::fs::read_to_string(probe.config()).unwrap().contains("cron"));
}

/// Waits for the next full minute: workerd has no earlier occurrence.
#[tokio::test]
async fn a_cron_trigger_runs_the_scheduled_handler() {
    let lab = Lab::new();
    let code = "export default { fetch() {}, scheduled(event) { console.log('ran', event.cron, event.scheduledTime) } }";
    let mut app = worker("app", code);
    app.worker.crons = vec!["* * * * *".to_owned()];
    let running = lab.start(&[app]).await;
    tokio::time::sleep(std::time::Duration::from_millis(60_000 - now() % 60_000)).await;
    let (_, _, line) = running.said.log("ran * * * * *").await;
    assert!(line.ends_with("0000"), "{line}");
    running.stop().await;
}

fn flow(mut worker: AppWorker, script: Option<&str>) -> AppWorker {
    worker.worker.workflows.push(Workflow {
        binding: "FLOW".to_owned(),
        name: "my-flow".to_owned(),
        class: "Flow".to_owned(),
        script: script.map(str::to_owned),
        steps: Some(2),
    });
    worker
}

const FLOW: &str = r#"
    import { WorkflowEntrypoint } from "cloudflare:workers";
    export class Flow extends WorkflowEntrypoint {
      async run(event, step) {
        const doubled = await step.do("double", async () => event.payload.n * 2);
        const plus = await step.do("plus one", async () => doubled + 1);
        if (event.payload.third) await step.do("one too many", async () => 0);
        return plus;
      }
    }
    export default {
      async fetch(request, env) {
        const { pathname, searchParams } = new URL(request.url);
        if (pathname === "/new") {
          const params = { n: 20, third: searchParams.has("third") };
          return Response.json((await env.FLOW.create({ params })).id);
        }
        return Response.json(await (await env.FLOW.get(searchParams.get("id"))).status());
      },
    };
"#;

#[tokio::test]
async fn a_workflow_runs_its_steps_up_to_its_limit() {
    let lab = Lab::new();
    let running = lab.start(&[flow(worker("app", FLOW), None)]).await;
    let id = running.get("/new").await.json();
    let path = format!("/status?id={}", id.as_str().unwrap());
    let status = running.get_until(&path, |a| a.json()["status"] == "complete").await;
    assert_eq!(status.json()["output"], json!(41));
    let id = running.get("/new?third").await.json();
    let path = format!("/status?id={}", id.as_str().unwrap());
    let status = running.get_until(&path, |a| a.json()["status"] == "errored").await;
    assert!(status.body.contains("limit of 2 steps"), "{}", status.body);
    running.stop().await;
    assert!(lab.objects().join("miniflare-workflows-my-flow").is_dir());
}

#[tokio::test]
async fn a_probe_takes_workflows_and_queues_too() {
    let lab = Lab { mode: Mode::Probe, ..Lab::new() };
    let running = lab.start(&[queue(flow(worker("app", FLOW), None), true, true)]).await;
    running.stop().await;
    assert!(!lab.objects().exists());
}

#[tokio::test]
async fn a_workflow_of_another_worker_is_started_through_its_script_name() {
    let lab = Lab::new();
    let front = FLOW.replace("export class Flow", "class Unused");
    let app = [flow(worker("front", &front), Some("owner")), worker("owner", FLOW)];
    let running = lab.start(&app).await;
    let id = running.get("/new").await.json();
    let path = format!("/status?id={}", id.as_str().unwrap());
    running.get_until(&path, |a| a.json()["status"] == "complete").await;
    running.stop().await;
}
