//! The Workers inside workerd that we use instead of writing our own: queues, cron triggers and workflows.
//! The header of each one's source documents the config it takes.

use std::collections::BTreeMap;

use selvedge_project::QueueConsumer;
use serde_json::{Map, Value as Json, json};

use super::bindings::{binding, workflow_binding};
use super::generated::COMPATIBILITY_DATE;
use super::text::Value;
use super::worker::storage;
use super::{App, ConfigError, names};

/// The queues of the app. Producers reach it with the queue's name as props.
pub(super) fn queues(app: &App<'_>) -> Result<Value, ConfigError> {
    let mut consumers = Map::new();
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut bindings = vec![binding("SHARD", "durableObjectNamespace", Value::text("QueueShard"))];
    for worker in app.workers.iter().map(|w| &w.worker) {
        for consumer in &worker.queue_consumers {
            if let Some(first) = first.insert(&consumer.queue, &worker.name) {
                return Err(ConfigError::SecondConsumer {
                    queue: consumer.queue.clone(),
                    first: first.to_owned(),
                    second: worker.name.clone(),
                });
            }
            consumers.insert(consumer.queue.clone(), settings(consumer, &target(&worker.name)));
        }
        if !worker.queue_consumers.is_empty() {
            bindings.push(binding(&target(&worker.name), "service", Value::text(&worker.name)));
        }
    }
    bindings.push(binding("CONSUMERS", "json", Value::Text(Json::Object(consumers).to_string())));
    Ok(service(names::QUEUES, "/workerd/queues.js", Some(("QueueShard", "selvedge.queues")), bindings))
}

fn settings(consumer: &QueueConsumer, target: &str) -> Json {
    let mut out = Map::new();
    out.insert("consumer".to_owned(), json!(target));
    let numbers = [
        ("maxBatchSize", consumer.max_batch_size),
        ("maxBatchTimeout", consumer.max_batch_timeout),
        ("maxRetries", consumer.max_retries),
        ("retryDelay", consumer.retry_delay),
        ("maxConcurrency", consumer.max_concurrency),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            out.insert(name.to_owned(), json!(number));
        }
    }
    if let Some(queue) = &consumer.dead_letter_queue {
        out.insert("deadLetterQueue".to_owned(), json!(queue));
    }
    Json::Object(out)
}

/// The cron triggers of the app. workerd arms them when it starts.
pub(super) fn crons(app: &App<'_>) -> Value {
    let mut crons = Map::new();
    let mut bindings = vec![binding("SCHEDULE", "durableObjectNamespace", Value::text("Schedule"))];
    for worker in app.workers.iter().filter(|w| w.has_script() && !w.worker.crons.is_empty()) {
        let name = target(&worker.worker.name);
        bindings.push(binding(&name, "service", Value::text(&worker.worker.name)));
        crons.insert(name, json!(worker.worker.crons));
    }
    bindings.push(binding("CRONS", "json", Value::Text(Json::Object(crons).to_string())));
    service(names::CRON, "/workerd/cron.js", Some(("Schedule", "selvedge.cron")), bindings)
}

/// What a Worker defines: the name of each workflow and its class.
pub(super) type Defined<'a> = BTreeMap<&'a str, (&'a str, Option<u32>)>;

/// The workflows whose class is in the Worker `script`, whoever binds them.
pub(super) fn defined_workflows<'a>(app: &App<'a>, script: &str) -> Result<Defined<'a>, ConfigError> {
    let mut defined = Defined::new();
    for worker in app.workers.iter().map(|w| &w.worker) {
        for workflow in &worker.workflows {
            if workflow.script.as_deref().unwrap_or(&worker.name) != script {
                continue;
            }
            let (class, steps) = defined.entry(&workflow.name).or_insert((&workflow.class, workflow.steps));
            if *class != workflow.class {
                return Err(ConfigError::AmbiguousWorkflow {
                    name: workflow.name.clone(),
                    first: (*class).to_owned(),
                    second: workflow.class.clone(),
                });
            }
            *steps = steps.or(workflow.steps);
        }
    }
    Ok(defined)
}

/// The `workflowsEngine` of a Worker that defines workflows.
pub(super) fn engine(defined: &Defined<'_>) -> Value {
    let actor =
        Value::fields([("name", Value::text(names::WORKFLOWS)), ("entrypoint", Value::text("Engine"))]);
    let workflow = |(name, (class, _)): (&&str, &(&str, Option<u32>))| {
        Value::fields([
            ("className", Value::text(*class)),
            ("name", Value::text(*name)),
            ("bindingService", workflow_binding(name)),
        ])
    };
    let workflows = Value::List(defined.iter().map(workflow).collect());
    Value::fields([("actorClass", actor), ("workflows", workflows)])
}

/// The workflows engine of the app.
pub(super) fn workflows(app: &App<'_>) -> Result<Value, ConfigError> {
    let mut bindings = Vec::new();
    let mut limits = Map::new();
    let mut owners: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for worker in app.workers {
        let script = worker.worker.name.as_str();
        for (name, (class, steps)) in defined_workflows(app, script)? {
            if let Some((_, first)) = owners.insert(name, (script, class)) {
                return Err(ConfigError::AmbiguousWorkflow {
                    name: name.to_owned(),
                    first: first.to_owned(),
                    second: class.to_owned(),
                });
            }
            // The runtime makes this namespace itself, in the Worker that defines the class.
            let namespace = Value::fields([
                ("className", Value::Text(["miniflare-workflows-", name].concat())),
                ("serviceName", Value::text(script)),
            ]);
            bindings.push(binding(&["workflow:", name].concat(), "durableObjectNamespace", namespace));
            if let Some(steps) = steps {
                limits.insert(name.to_owned(), json!({ "steps": steps }));
            }
        }
    }
    bindings.push(binding("WORKFLOWS", "json", Value::Text(Json::Object(limits).to_string())));
    Ok(service(names::WORKFLOWS, "/workerd/workflows.js", None, bindings))
}

fn service(name: &str, module: &str, class: Option<(&str, &str)>, bindings: Vec<Value>) -> Value {
    // What stack traces call the module.
    let file = module.rsplit('/').next().unwrap_or(module);
    let module = Value::fields([("name", Value::text(file)), ("bundled", Value::text(module))]);
    let mut worker = vec![
        ("modules", Value::List(vec![module])),
        ("compatibilityDate", Value::text(COMPATIBILITY_DATE)),
        ("compatibilityFlags", Value::texts(&["service_binding_extra_handlers".to_owned()])),
        ("bindings", Value::List(bindings)),
    ];
    if let Some((class, unique_key)) = class {
        let namespace = Value::fields([
            ("className", Value::text(class)),
            ("uniqueKey", Value::text(unique_key)),
            ("enableSql", Value::Bool(true)),
        ]);
        worker.push(("durableObjectNamespaces", Value::List(vec![namespace])));
    }
    worker.push(("durableObjectStorage", storage()));
    Value::fields([("name", Value::text(name)), ("worker", Value::Struct(worker))])
}

/// The binding through which a bundled Worker reaches a Worker of the app.
fn target(worker: &str) -> String {
    ["worker:", worker].concat()
}
