//! Apps that no config is written for. What is written is tested with a real workerd.

use selvedge_base::Millis;
use selvedge_project::{
    D1Database, DurableObjectBinding, Hyperdrive, KvNamespace, ModuleKind, QueueConsumer, Worker, Workflow,
};

use super::*;
use crate::bundle::Module;

fn worker(name: &str) -> AppWorker {
    AppWorker {
        worker: Worker { name: name.to_owned(), ..Worker::default() },
        modules: vec![Module {
            name: "index.js".to_owned(),
            kind: ModuleKind::EsModule,
            bytes: b"export default {}".to_vec(),
        }],
        object_classes: Vec::new(),
        hyperdrive: Vec::new(),
        version: VersionMetadata { id: String::new(), tag: String::new(), timestamp: Millis(0) },
    }
}

fn written(workers: &[AppWorker], http: &str) -> Result<String, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let app = App {
        workers,
        sockets: Sockets { http: http.into(), bindings: "/run/bindings.sock".into() },
        locations: &[],
        token: "t",
        objects: &directory.path().join("objects"),
        mode: Mode::Serve,
        local_network: false,
    };
    write(&app, &directory.path().join("config")).map(|path| std::fs::read_to_string(path).unwrap())
}

fn refused(workers: &[AppWorker]) -> String {
    written(workers, "/run/http.sock").unwrap_err().to_string()
}

fn with(name: &str, change: impl FnOnce(&mut Worker)) -> AppWorker {
    let mut worker = worker(name);
    change(&mut worker.worker);
    worker
}

#[test]
fn an_app_needs_workers_that_differ_and_can_run() {
    assert_eq!(refused(&[]), "an app needs at least one Worker");
    assert_eq!(
        refused(&[worker("a"), worker("a")]),
        "two Workers of this app are named \"a\": give each its own `name`"
    );
    let empty = AppWorker { modules: Vec::new(), ..worker("a") };
    assert!(refused(&[empty]).starts_with("Worker \"a\" has neither a script nor static assets"));
}

#[test]
fn an_object_binding_needs_its_class() {
    let bound = |script: Option<&str>| {
        let script = script.map(str::to_owned);
        with("a", |worker| {
            let (name, class) = ("ROOM".to_owned(), "Room".to_owned());
            worker.durable_objects.push(DurableObjectBinding { name, class, script });
        })
    };
    let message = "names the class \"Room\", which Worker \"a\" does not define";
    assert!(refused(&[bound(None)]).contains(message));
    let message = "names the class \"Room\", which Worker \"b\" does not define";
    assert!(refused(&[bound(Some("b")), worker("b")]).contains(message));
}

#[test]
fn a_queue_has_one_consumer() {
    let consumer = |name: &str| {
        with(name, |worker| {
            worker.queue_consumers.push(QueueConsumer { queue: "q".to_owned(), ..QueueConsumer::default() });
        })
    };
    assert_eq!(
        refused(&[consumer("a"), consumer("b")]),
        "the queue \"q\" is consumed by \"a\" and by \"b\": a queue has one consumer"
    );
}

#[test]
fn a_workflow_has_one_class() {
    let flow = |name: &str, class: &str, script: Option<&str>| {
        let workflow = Workflow {
            binding: "F".to_owned(),
            name: "f".to_owned(),
            class: class.to_owned(),
            script: script.map(str::to_owned),
            steps: None,
        };
        with(name, |worker| worker.workflows.push(workflow))
    };
    let message = "the workflow \"f\" is the class \"One\" in one place and \"Two\" in another";
    assert!(refused(&[flow("a", "One", None), flow("b", "Two", None)]).starts_with(message));
    assert!(refused(&[flow("a", "One", None), flow("b", "Two", Some("a"))]).starts_with(message));
    // The same class from two sides is what a binding across Workers is.
    written(&[flow("a", "One", None), flow("b", "One", Some("a"))], "/run/http.sock").unwrap();
}

#[test]
fn names_that_no_header_can_carry_are_refused() {
    let kv = |id: &str| {
        let namespace = KvNamespace { binding: "KV".to_owned(), id: id.to_owned(), ..KvNamespace::default() };
        with("a", |worker| worker.kv_namespaces.push(namespace))
    };
    for id in ["", "a b", "a\r\nb", "é"] {
        assert!(refused(&[kv(id)]).starts_with("the KV namespace "), "{id:?}");
    }
}

#[test]
fn what_workerd_would_fail_on_later_is_refused() {
    let rpc = with("a", |worker| {
        worker.compatibility_flags.push("d1_binding_jsrpc".to_owned());
        worker.d1_databases.push(D1Database {
            binding: "DB".to_owned(),
            name: "d".to_owned(),
            id: "d".to_owned(),
            migrations_dir: "/".into(),
            migrations_table: "m".to_owned(),
            ..D1Database::default()
        });
    });
    assert!(refused(&[rpc]).starts_with("the flag \"d1_binding_jsrpc\" of Worker \"a\""));
    let hyperdrive = with("a", |worker| {
        worker.hyperdrive.push(Hyperdrive {
            binding: "HD".to_owned(),
            id: "h".to_owned(),
            ..Hyperdrive::default()
        });
    });
    assert!(refused(&[hyperdrive]).starts_with("the Hyperdrive binding \"HD\" of Worker \"a\""));
    let long = ["/", &"x".repeat(107)].concat();
    let error = written(&[worker("a")], &long).unwrap_err();
    assert!(matches!(error, ConfigError::SocketPathTooLong { limit: 107, .. }), "{error}");
    written(&[worker("a")], &long[..107]).unwrap();
}

#[test]
fn a_plain_worker_needs_nothing_experimental_and_no_disk() {
    let text = written(&[worker("a")], "/run/http.sock").unwrap();
    for needless in ["bundled", "disk", "assets", "durableObject", "selvedge-console"] {
        assert!(!text.contains(needless), "{needless}: {text}");
    }
}
