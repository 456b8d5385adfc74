//! What comes out of a process.

use selvedge_workerd::{Event, Level};

use crate::objects::with_objects;
use crate::support::{Lab, worker};

#[tokio::test]
async fn console_lines_come_with_their_level() {
    let lab = Lab::new();
    let code = r#"
        import process from "node:process";
        export default {
          fetch() {
            console.debug("a debug"); console.info("an info"); console.log("a log %s", "formatted", { x: 1 });
            console.warn("a warning\nof two lines"); console.error("an error");
            process.stdout.write("written out\n");
            console.log('{"event":"listen","socket":"http","port":1}');
            return new Response();
          },
        };
    "#;
    let mut app = worker("app", code);
    app.worker.compatibility_flags.push("nodejs_compat".to_owned());
    let running = lab.start(&[app]).await;
    running.get("/").await;
    for (text, level) in [
        ("a debug", Level::Debug),
        ("an info", Level::Info),
        ("a log formatted { x: 1 }", Level::Log),
        ("a warning\nof two lines", Level::Warn),
        ("an error", Level::Error),
        ("written out", Level::Log),
        (r#"{"event":"listen","socket":"http","port":1}"#, Level::Log),
    ] {
        assert_eq!(running.said.log(text).await, (None, level, text.to_owned()));
    }
    running.stop().await;
}

#[tokio::test]
async fn console_lines_of_several_workers_are_told_apart() {
    let lab = Lab::new();
    let code = |name: &str| {
        format!(
            r#"
            console.log("{name} at the top");
            export default {{
              async fetch(_, env) {{
                console.log("{name} %s", "formatted", {{ x: 1 }});
                console.warn({{ {name}: true }}, "apart");
                console.log(" {name} leading space");
                console.error(new Error("{name} logged"));
                await env.OTHER?.fetch("https://x/");
                return new Response();
              }},
            }};
            "#
        )
    };
    let mut one = worker("one", &code("one"));
    one.worker.services.push(selvedge_project::ServiceBinding {
        binding: "OTHER".to_owned(),
        service: "two".to_owned(),
        entrypoint: None,
        props: None,
    });
    let running = lab.start(&[one, worker("two", &code("two"))]).await;
    running.get("/").await;
    for name in ["one", "two"] {
        let whose = Some(name.to_owned());
        for (text, level) in [
            (format!("{name} at the top"), Level::Log),
            (format!("{name} formatted {{ x: 1 }}"), Level::Log),
            (format!("{{ {name}: true }} apart"), Level::Warn),
            (format!(" {name} leading space"), Level::Log),
        ] {
            assert_eq!(running.said.log(&text).await, (whose.clone(), level, text));
        }
        let (worker, level, text) = running.said.log(&format!("Error: {name} logged")).await;
        assert_eq!((worker, level), (whose, Level::Error));
        assert!(text.contains(&format!("({name}/index.js:8:")), "{text}");
    }
    running.stop().await;
}

const THROWS: &str = r#"import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
  fail() { throw new TypeError("in the object") }
  async arm() { await this.ctx.storage.setAlarm(Date.now()) }
  alarm() { throw new Error("in the alarm") }
}
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/handler") throw new Error("in the handler\nsecond line");
    if (pathname === "/string") throw "a bare string";
    if (pathname === "/object") await env.ROOM.getByName("a").fail();
    if (pathname === "/alarm") await env.ROOM.getByName("a").arm();
    if (pathname === "/later") ctx.waitUntil(Promise.reject(new Error("after the answer")));
    return new Response("fine");
  },
};
"#;

#[tokio::test]
async fn uncaught_exceptions_come_once_with_their_stack() {
    let lab = Lab::new();
    let running = lab.start(&[with_objects(worker("app", THROWS), "ROOM", "Room", None)]).await;
    assert_eq!(running.get("/handler").await.status, 500);
    let thrown = running.said.exception("in the handler").await;
    assert_eq!(thrown, "Error: in the handler\nsecond line\n    at Object.fetch (index.js:10:40)");
    assert_eq!(running.get("/string").await.status, 500);
    assert_eq!(running.said.exception("a bare string").await, "a bare string");
    assert_eq!(running.get("/object").await.status, 500);
    let thrown = running.said.exception("in the object").await;
    assert_eq!(thrown, "TypeError: in the object\n    at Room.fail (index.js:3:18)");
    running.get("/alarm").await;
    let thrown = running.said.exception("in the alarm").await;
    assert_eq!(thrown, "Error: in the alarm\n    at Room.alarm (index.js:5:19)");
    assert_eq!(running.get("/later").await.body, "fine");
    running.said.exception("after the answer").await;
    let handler = |event: &&Event| format!("{event:?}").contains("in the handler");
    assert_eq!(running.said.all().iter().filter(handler).count(), 1, "{:#?}", running.said.all());
    running.stop().await;
}

#[tokio::test]
async fn the_stack_of_an_exception_names_the_worker_in_an_app_of_several() {
    let lab = Lab::new();
    let app = [with_objects(worker("one", THROWS), "ROOM", "Room", None), worker("two", "export default {}")];
    let running = lab.start(&app).await;
    running.get("/handler").await;
    let thrown = running.said.exception("in the handler").await;
    assert!(thrown.ends_with("(one/index.js:10:40)"), "{thrown}");
    running.stop().await;
}

#[tokio::test]
async fn a_worker_that_cannot_answer_is_an_exception_too() {
    let lab = Lab::new();
    let running = lab.start(&[worker("app", "export default { scheduled() {} }")]).await;
    assert_eq!(running.get("/").await.status, 500);
    running.said.exception("Handler does not export a fetch() function").await;
    running.stop().await;
}

#[tokio::test]
async fn a_huge_line_is_cut() {
    let lab = Lab::new();
    let code = "export default { fetch() { console.log('é'.repeat(100_000)); console.log('next'); return new Response() } }";
    let running = lab.start(&[worker("app", code)]).await;
    running.get("/").await;
    let (_, level, message) = running.said.log("ééé").await;
    assert_eq!(level, Level::Log);
    assert!(message.len() < 70_000 && message.ends_with(" [cut]"), "{} bytes", message.len());
    running.said.log("next").await;
    running.stop().await;
}
