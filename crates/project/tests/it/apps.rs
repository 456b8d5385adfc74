//! Several Workers as one app.

use insta::assert_snapshot;

use crate::support::Fixture;

fn config(name: &str, rest: &str) -> String {
    format!("name = \"{name}\"\nmain = \"../src/index.js\"\ncompatibility_date = \"2026-11-01\"\n{rest}")
}

fn app(front: &str, back: &str) -> Fixture {
    let [front, back] = [config("front", front), config("back", back)];
    Fixture::new(&[("front/wrangler.toml", &front), ("back/wrangler.toml", &back)])
        .configs(&["front/wrangler.toml", "back/wrangler.toml"])
}

#[test]
fn the_first_config_is_the_first_worker() {
    let fixture = app("services = [{ binding = \"BACK\", service = \"back\" }]", "");
    let loaded = fixture.load().unwrap();
    let names: Vec<&str> = loaded.project.workers.iter().map(|worker| worker.name.as_str()).collect();
    assert_eq!(names, ["front", "back"]);
    assert_eq!(loaded.project.workers[1].root, fixture.path("back"));
    assert!(loaded.warnings.is_empty());
    assert!(loaded.watched.contains(&fixture.path("back/.dev.vars")));
}

#[test]
fn a_worker_that_no_config_names_is_a_warning() {
    let fixture = app(
        "services = [{ binding = \"BACK\", service = \"bck\" }]
durable_objects.bindings = [{ name = \"ROOM\", class_name = \"Room\", script_name = \"rooms\" }]
workflows = [{ binding = \"FLOW\", name = \"flow\", class_name = \"Flow\", script_name = \"flows\" }]",
        "",
    );
    assert_eq!(
        fixture.messages(),
        [
            "the Worker \"bck\" is not part of this app",
            "the Worker \"rooms\" is not part of this app",
            "the Worker \"flows\" is not part of this app",
        ]
    );
    let fixture = app("services = [{ binding = \"BACK\", service = \"bck\" }]", "");
    assert_snapshot!(fixture.report(), @r#"
    warning: the Worker "bck" is not part of this app
     --> /app/front/wrangler.toml:4:43
      |
    4 | services = [{ binding = "BACK", service = "bck" }]
      |                                           ^^^^^ no config names this Worker
      |
      = help: give its config too, with another --config; until then, calls through this binding fail
    "#);
}

#[test]
fn two_workers_cannot_have_one_name() {
    let fixture = app("", "").configs(&["front/wrangler.toml", "front/wrangler.toml"]);
    assert_snapshot!(fixture.report(), @r#"
    error: two Workers have the name "front"
     --> /app/front/wrangler.toml:1:8
      |
    1 | name = "front"
      |        ^^^^^^^ /app/front/wrangler.toml has the same name
    "#);
}

#[test]
fn a_queue_has_one_consumer() {
    let consumer = "queues.consumers = [{ queue = \"jobs\" }]";
    assert_snapshot!(app(consumer, consumer).report(), @r#"
    error: the queue "jobs" has two consumers
     --> /app/back/wrangler.toml:4:31
      |
    4 | queues.consumers = [{ queue = "jobs" }]
      |                               ^^^^^^ the Worker "front" consumes it already
      |
      = help: a queue delivers each message to one Worker; remove one of the two
    "#);
}

#[test]
fn mistakes_of_all_configs_are_reported_together() {
    let fixture = app("minify = 1", "[vars");
    assert_eq!(fixture.messages(), ["`minify` has the wrong type", "the config is not valid TOML"]);
}

#[test]
fn an_environment_is_asked_of_every_config() {
    let fixture = app("[env.staging]", "[env.staging]\nname = \"back\"").env("staging");
    let workers = fixture.load().unwrap().project.workers;
    let names: Vec<&str> = workers.iter().map(|worker| worker.name.as_str()).collect();
    assert_eq!(names, ["front-staging", "back"]);
}

#[test]
fn a_connection_string_of_the_process_wins() {
    let pg = "[[hyperdrive]]\nbinding = \"PG\"\nid = \"x\"\nlocalConnectionString = \"postgres://a:b@c/d\"";
    let string = |fixture: &Fixture| {
        fixture.load().unwrap().project.workers[0].hyperdrive[0].connection_string.clone()
    };
    let fixture = app(pg, "");
    assert_eq!(string(&fixture), "postgres://a:b@c/d");
    let fixture =
        fixture.environment(&[("WRANGLER_HYPERDRIVE_LOCAL_CONNECTION_STRING_PG", "postgres://old")]);
    assert_eq!(string(&fixture), "postgres://old");
    assert_snapshot!(fixture.report(), @r"
    warning: the variable WRANGLER_HYPERDRIVE_LOCAL_CONNECTION_STRING_PG is deprecated
     --> /app/front/wrangler.toml:4:1
      |
    4 | [[hyperdrive]]
      | ^^^^^^^^^^^^^^ this binding uses it
      |
      = help: rename it to CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_PG
    ");
    let fixture = fixture.environment(&[
        ("CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_PG", "postgres://new"),
        ("WRANGLER_HYPERDRIVE_LOCAL_CONNECTION_STRING_PG", "postgres://old"),
    ]);
    assert_eq!(string(&fixture), "postgres://new");
}
