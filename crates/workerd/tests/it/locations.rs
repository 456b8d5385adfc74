//! One process, several locations.

use selvedge_project::{KvNamespace, ServiceBinding};
use serde_json::json;

use crate::objects::with_objects;
use crate::support::{Lab, worker};

const WORKER: &str = r#"
    import { DurableObject } from "cloudflare:workers";
    let requests = 0;
    export class Counter extends DurableObject {
      async add() {
        await this.env.KV.get("from the object");
        return (this.count = (this.count ?? 0) + 1);
      }
    }
    export default {
      async fetch(request, env) {
        await env.KV.get("from the Worker");
        return Response.json({
          requests: ++requests,
          objects: await env.COUNTER.getByName("one").add(),
          back: await (await env.BACK.fetch(request)).text(),
        });
      },
    };
"#;

const BACK: &str = r#"
    export default {
      async fetch(request, env) {
        await env.KV.get("from behind");
        return new Response("back");
      },
    };
"#;

#[tokio::test]
async fn each_location_has_its_own_isolates_and_bindings_and_all_share_the_objects() {
    let mut lab = Lab::new();
    lab.locations = vec!["AMS".to_owned(), "NRT".to_owned()];
    let mut front = with_objects(worker("front", WORKER), "COUNTER", "Counter", None);
    let mut back = worker("back", BACK);
    for worker in [&mut front.worker, &mut back.worker] {
        let (binding, id) = ("KV".to_owned(), "ns".to_owned());
        worker.kv_namespaces.push(KvNamespace { binding, id, ..KvNamespace::default() });
    }
    front.worker.services.push(ServiceBinding {
        binding: "BACK".to_owned(),
        service: "back".to_owned(),
        entrypoint: None,
        props: None,
    });
    let running = lab.start(&[front, back]).await;
    let seen = [
        running.get("/").await.json(),
        running.get_at("NRT", "/").await.json(),
        running.get_at("NRT", "/").await.json(),
    ];
    let answer =
        |requests: u32, objects: u32| json!({ "requests": requests, "objects": objects, "back": "back" });
    assert_eq!(seen, [answer(1, 1), answer(1, 2), answer(2, 3)]);
    let asked = lab.asked().into_iter().map(|asked| {
        assert_eq!(asked.header("x-selvedge-resource"), ["kv/ns"]);
        let key = asked.target.split('?').next().unwrap().replace("%20", " ");
        format!("{} {key}", asked.header("x-selvedge-colo").join(","))
    });
    let at = |colo: &str| {
        [
            format!("{colo} /from the Worker"),
            "AMS /from the object".to_owned(),
            format!("{colo} /from behind"),
        ]
    };
    assert_eq!(asked.collect::<Vec<_>>(), [at("AMS"), at("NRT"), at("NRT")].concat());
    running.stop().await;
}

#[tokio::test]
async fn an_app_without_locations_says_nothing_of_them() {
    let lab = Lab::new();
    let mut back = worker("back", BACK);
    let (binding, id) = ("KV".to_owned(), "ns".to_owned());
    back.worker.kv_namespaces.push(KvNamespace { binding, id, ..KvNamespace::default() });
    let running = lab.start(&[back]).await;
    running.get("/").await;
    assert!(lab.asked()[0].header("x-selvedge-colo").is_empty());
    running.stop().await;
}
