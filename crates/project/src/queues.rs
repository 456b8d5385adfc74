//! Queues and cron triggers.

use crate::diagnostic::Diagnostic;
use crate::extract::{Section, Spot};
use crate::model::{QueueConsumer, QueueProducer};
use crate::node::Value;

/// The longest delay of a message, in seconds: a day.
const MAX_DELAY: u32 = 86_400;

pub(crate) fn queues(section: &Section<'_>) -> (Vec<QueueProducer>, Vec<QueueConsumer>) {
    let Some(queues) = section.section("queues") else { return (Vec::new(), Vec::new()) };
    queues.expect_keys(&["producers", "consumers"]);
    let producers = queues.sections("producers").iter().filter_map(producer).collect();
    let consumers = queues.sections("consumers").iter().filter_map(consumer).collect();
    (producers, consumers)
}

fn producer(entry: &Section<'_>) -> Option<QueueProducer> {
    entry.expect_keys(&["binding", "queue", "delivery_delay", "remote"]);
    entry.expect_local();
    let binding = entry.required("binding");
    let queue = entry.required("queue");
    if let Some(spot) = entry.get("delivery_delay")
        && spot.count(&(0..=MAX_DELAY)).is_some_and(|delay| delay > 0)
    {
        let problem = Diagnostic::warning(format!("`{}` is not supported", spot.path))
            .help("give the delay to `send()` instead: { delaySeconds: … }");
        entry.reporter.at(&spot.key_span, "messages are delivered at once", problem);
    }
    Some(QueueProducer { binding: binding?, queue: queue? })
}

fn consumer(entry: &Section<'_>) -> Option<QueueConsumer> {
    entry.expect_keys(&[
        "queue",
        "type",
        "max_batch_size",
        "max_batch_timeout",
        "max_retries",
        "dead_letter_queue",
        "max_concurrency",
        "visibility_timeout_ms",
        "retry_delay",
    ]);
    if let Some(spot) = entry.get("type") {
        spot.one_of(&["worker"]);
    }
    let count = |key, max| entry.get(key).and_then(|spot| spot.count(&(0..=max)));
    let concurrency = entry.get("max_concurrency").filter(|spot| !matches!(spot.node.value, Value::Null));
    let consumer = QueueConsumer {
        queue: entry.required("queue").unwrap_or_default(),
        max_batch_size: entry.get("max_batch_size").and_then(|spot| spot.count(&(1..=100))),
        max_batch_timeout: count("max_batch_timeout", 60),
        max_retries: count("max_retries", 100),
        dead_letter_queue: entry.get("dead_letter_queue").and_then(Spot::name),
        retry_delay: count("retry_delay", MAX_DELAY),
        max_concurrency: concurrency.and_then(|spot| spot.count(&(1..=250))),
    };
    if let Some(spot) = entry.get("dead_letter_queue")
        && consumer.dead_letter_queue.as_ref() == Some(&consumer.queue)
    {
        let problem =
            Diagnostic::error(format!("the queue {:?} is its own dead letter queue", consumer.queue));
        spot.error("expected another queue", problem);
    }
    (!consumer.queue.is_empty()).then_some(consumer)
}

/// The cron expressions of `triggers`.
pub(crate) fn crons(section: &Section<'_>) -> Vec<String> {
    let Some(triggers) = section.section("triggers") else { return Vec::new() };
    triggers.expect_keys(&["crons"]);
    let Some(crons) = triggers.get("crons") else { return Vec::new() };
    let read = |spot: &Spot<'_>| {
        let cron = spot.string()?;
        if cron.split_whitespace().count() != 5 {
            let problem = Diagnostic::error(format!("`{}` is not a cron expression", spot.path));
            spot.error(
                "expected five fields: minute, hour, day of the month, month, day of the week",
                problem,
            );
        }
        Some(cron)
    };
    crons.elements().iter().filter_map(read).collect()
}
