//! Workers that call each other.

use selvedge_project::{Assets, ServiceBinding};
use selvedge_workerd::AppWorker;
use serde_json::json;

use crate::support::{Lab, module, worker};

fn bind(worker: &mut AppWorker, binding: &str, service: &str, entrypoint: Option<&str>, props: Option<&str>) {
    worker.worker.services.push(ServiceBinding {
        binding: binding.to_owned(),
        service: service.to_owned(),
        entrypoint: entrypoint.map(str::to_owned),
        props: props.map(str::to_owned),
    });
}

#[tokio::test]
async fn entrypoints_props_and_rpc_work_between_workers() {
    let lab = Lab::new();
    // A class as its default export, a named entrypoint, and modules that import each other both ways.
    let back = r#"
        import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
        import { suffix } from "./lib/suffix.js";
        class Session extends RpcTarget { #n = 0; next() { return ++this.#n } }
        export class Admin extends WorkerEntrypoint {
          whoami() { return this.ctx.props }
          open() { return new Session() }
          async apply(callback) { return "called " + (await callback(20)) }
        }
        export default class extends WorkerEntrypoint {
          fetch(request) { return new Response("default " + new URL(request.url).pathname + suffix) }
          plain() { return "plain rpc" }
        }
    "#;
    let front = r#"
        export default {
          async fetch(request, env) {
            const session = await env.ADMIN.open();
            await session.next();
            return Response.json({
              fetch: await (await env.BACK.fetch("https://x/p")).text(),
              rpc: await env.BACK.plain(),
              props: await env.ADMIN.whoami(),
              callback: await env.ADMIN.apply((n) => n + 1),
              session: await session.next(),
            });
          },
        };
    "#;
    let mut front = worker("front", front);
    bind(&mut front, "BACK", "back", None, None);
    bind(&mut front, "ADMIN", "back", Some("Admin"), Some(r#"{"user":"\"me\""}"#));
    let mut back = worker("back", back);
    back.modules
        .push(module("lib/suffix.js", "import { mark } from '../mark.js'; export const suffix = mark;"));
    back.modules.push(module("mark.js", "export const mark = '!';"));
    let running = lab.start(&[front, back]).await;
    assert_eq!(
        running.get("/").await.json(),
        json!({
            "fetch": "default /p!", "rpc": "plain rpc", "props": { "user": "\"me\"" },
            "callback": "called 21", "session": 2,
        })
    );
    running.stop().await;
}

#[tokio::test]
async fn a_worker_without_a_default_export_can_be_part_of_an_app() {
    let lab = Lab::new();
    let only_named = r#"
        import { WorkerEntrypoint } from "cloudflare:workers";
        export class Named extends WorkerEntrypoint { hello() { return "hello" } }
    "#;
    let mut front = worker(
        "front",
        "export default { async fetch(_, env) { return new Response(await env.NAMED.hello()) } }",
    );
    bind(&mut front, "NAMED", "back", Some("Named"), None);
    let running = lab.start(&[front, worker("back", only_named)]).await;
    assert_eq!(running.get("/").await.body, "hello");
    running.stop().await;
}

#[tokio::test]
async fn a_worker_with_assets_is_called_through_them() {
    let lab = Lab::new();
    let directory = lab.path().join("public");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("page.txt"), "asset").unwrap();
    let code = r#"
        import { WorkerEntrypoint } from "cloudflare:workers";
        export class Named extends WorkerEntrypoint { props() { return this.ctx.props } }
        export default class extends WorkerEntrypoint {
          fetch() { return new Response("script") }
          rpc(n) { return n + 1 }
        }
    "#;
    let mut site = worker("site", code);
    site.worker.assets =
        Some(Assets { directory: directory.clone(), binding: None, config: "{}".to_owned() });
    let mut pages = worker("pages", "");
    pages.modules.clear();
    pages.worker.assets = Some(Assets { directory, binding: None, config: "{}".to_owned() });
    let code = r#"
        const text = async (service, path) => (await service.fetch("https://x" + path)).text();
        export default {
          async fetch(_, env) {
            return Response.json([
              await text(env.SITE, "/page.txt"), await text(env.SITE, "/other"), await env.SITE.rpc(1),
              await env.NAMED.props(), await text(env.PAGES, "/page.txt"),
            ]);
          },
        };
    "#;
    let mut front = worker("front", code);
    bind(&mut front, "SITE", "site", None, None);
    bind(&mut front, "NAMED", "site", Some("Named"), Some("[1]"));
    bind(&mut front, "PAGES", "pages", None, None);
    let running = lab.start(&[front, site, pages]).await;
    assert_eq!(running.get("/").await.json(), json!(["asset", "script", 2, [1], "asset"]));
    running.stop().await;
}

#[tokio::test]
async fn a_binding_to_an_absent_worker_says_which_worker_is_absent() {
    let lab = Lab::new();
    let code = r#"
        const caught = async (call) => { try { await call(); return "nothing" } catch (e) { return e.message } };
        export default {
          async fetch(_, env) {
            return Response.json([
              await caught(() => env.PLAIN.fetch("https://x/")),
              await caught(() => env.PLAIN.method()),
              await caught(() => env.NAMED.method()),
            ]);
          },
        };
    "#;
    let mut app = worker("app", code);
    bind(&mut app, "PLAIN", "auth", None, None);
    bind(&mut app, "NAMED", "auth", Some("Api"), Some("{}"));
    let running = lab.start(&[app]).await;
    let message = r#"Worker "auth" is not part of this app: start it with --config"#;
    assert_eq!(running.get("/").await.json(), json!([message, message, message]));
    running.stop().await;
}
