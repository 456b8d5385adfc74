//! Apps that cannot start.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use selvedge_workerd::{AppWorker, Process, StartError, StartOptions};
use tokio::sync::mpsc;

use crate::objects::with_objects;
use crate::support::{Lab, worker};

async fn refused(workers: &[AppWorker]) -> String {
    let lab = Lab::new();
    match lab.try_start(workers).await {
        Err(error @ StartError::Config { .. }) => error.to_string(),
        Err(error) => panic!("not a config error: {error:?}"),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn a_syntax_error_is_told_with_its_place() {
    let message = refused(&[worker("app", "export default {\n  fetch( {\n}")]).await;
    insta::assert_snapshot!(message, @r#"
    Worker "app": SyntaxError: Unexpected end of input
      at index.js:3:1
    "#);
}

#[tokio::test]
async fn an_exception_at_the_top_is_told_with_its_stack() {
    let code = "function f() { return undefined.x }\nf();\nexport default {}";
    insta::assert_snapshot!(refused(&[worker("app", code)]).await, @r#"
    Worker "app": TypeError: Cannot read properties of undefined (reading 'x')
      at index.js:1:33 in f
      at index.js:2:1
    "#);
}

#[tokio::test]
async fn an_import_that_leads_nowhere_is_told() {
    insta::assert_snapshot!(refused(&[worker("app", "import './gone.js'; export default {}")]).await, @r#"
    Worker "app": Error: No such module "gone.js".
      imported from "index.js"
    "#);
}

#[tokio::test]
async fn an_object_class_that_is_not_exported_is_an_error() {
    let app = with_objects(worker("app", "export default { fetch() {} }"), "ROOM", "Room", None);
    insta::assert_snapshot!(refused(&[app]).await, @r#"no Worker of this app exports the Durable Object class "Room": export it from the main module, as a class that extends DurableObject"#);
}

#[tokio::test]
async fn a_compatibility_date_in_the_future_is_told() {
    let mut app = worker("app", "export default {}");
    app.worker.compatibility_date = "2999-01-01".to_owned();
    let message = refused(&[app]).await;
    assert!(
        message.starts_with(r#"Worker "app": This Worker requires compatibility date "2999-01-01""#),
        "{message}"
    );
}

#[tokio::test]
async fn a_bad_cron_expression_is_told_without_our_own_stack() {
    let mut app = worker("app", "export default { scheduled() {} }");
    app.worker.crons = vec!["61 * * * *".to_owned()];
    insta::assert_snapshot!(refused(&[app]).await, @r#"cron trigger "61 * * * *": minute field has 61 outside 0-59"#);
}

#[tokio::test]
async fn a_program_that_is_not_there_or_not_workerd_is_told() {
    let lab = Lab::new();
    let start = async |program: &str| {
        let (events, _) = mpsc::channel(1);
        let options = StartOptions::default();
        Process::start(Path::new(program), &lab.path().join("x.capnp"), options, events).await.unwrap_err()
    };
    let error = start("/nonexistent/workerd").await;
    assert!(matches!(error, StartError::Spawn { .. }), "{error:?}");
    let error = start("/bin/true").await;
    assert_eq!(error.to_string(), "workerd ended with code 0 before it was ready");
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_given_up() {
    let mut lab = Lab::new();
    lab.options.max_wait = Duration::from_millis(300);
    let error = lab.try_start(&[worker("app", "for (;;);\nexport default {}")]).await.err().unwrap();
    assert!(matches!(error, StartError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn an_inspector_listens_when_asked_for() {
    let mut lab = Lab::new();
    let address: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    lab.options.inspector = Some(address);
    let running = lab.start(&[worker("app", "export default {}")]).await;
    std::net::TcpStream::connect(address).unwrap();
    running.stop().await;
}
