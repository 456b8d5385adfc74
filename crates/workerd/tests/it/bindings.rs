//! Every kind of binding loads and answers.

use http::Request;
use selvedge_project::{Assets, D1Database, Hyperdrive, KvNamespace, R2Bucket, Var};
use selvedge_workerd::{AppWorker, HyperdriveTarget};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use crate::support::{Lab, TOKEN, worker};

fn with_storage(mut worker: AppWorker) -> AppWorker {
    let config = &mut worker.worker;
    let kv = |binding: &str| KvNamespace {
        binding: binding.to_owned(),
        id: "ns-1".to_owned(),
        ..KvNamespace::default()
    };
    config.kv_namespaces.extend([kv("KV"), kv("SAME")]);
    config.r2_buckets.push(R2Bucket {
        binding: "R2".to_owned(),
        bucket: "my-bucket".to_owned(),
        ..R2Bucket::default()
    });
    config.d1_databases.push(D1Database {
        binding: "DB".to_owned(),
        name: "db".to_owned(),
        id: "d-1".to_owned(),
        migrations_dir: "/".into(),
        migrations_table: "m".to_owned(),
        ..D1Database::default()
    });
    worker
}

#[tokio::test]
async fn storage_bindings_reach_their_services_with_the_injected_headers() {
    let lab = Lab::new();
    let code = r#"
        export default {
          async fetch(request, env) {
            const kv = await env.KV.get("a key");
            const same = await env.SAME.get("b");
            await env.R2.put("k", "bytes");
            const r2 = await (await env.R2.get("k")).text();
            const d1 = await env.DB.prepare("SELECT ?").bind(7).all();
            return Response.json({ kv, same, r2, d1: d1.results });
          },
        };
    "#;
    let running = lab.start(&[with_storage(worker("app", code))]).await;
    let answer = running.get("/").await;
    assert_eq!(
        answer.json(),
        json!({ "kv": "value of kv/ns-1", "same": "value of kv/ns-1", "r2": "bytes", "d1": [{ "n": 7 }] })
    );
    let asked = lab.asked();
    let resources: Vec<_> = asked.iter().map(|a| a.header("x-selvedge-resource").join(",")).collect();
    assert_eq!(resources, ["kv/ns-1", "kv/ns-1", "r2/my-bucket", "r2/my-bucket", "d1/d-1"]);
    assert!(asked.iter().all(|a| a.header("x-selvedge-token") == [TOKEN]), "{asked:#?}");
    assert!(asked[4].target.starts_with("/query"));
    assert_eq!(asked[4].body, r#"{"sql":"SELECT ?","params":[7]}"#);
    running.stop().await;
}

#[tokio::test]
async fn user_code_cannot_speak_for_another_resource() {
    let lab = Lab::new();
    // A service binding and `fetch()` send what they are told; a KV binding has no way to set a header.
    let code = r#"
        export default {
          async fetch(request, env) {
            const keys = Object.getOwnPropertyNames(Object.getPrototypeOf(env.KV));
            await env.KV.put("k", "v", { metadata: { "x-selvedge-resource": "kv/other" } });
            const fetch = env.KV.fetch;
            return Response.json({ fetch: typeof fetch, keys });
          },
        };
    "#;
    let running = lab.start(&[with_storage(worker("app", code))]).await;
    let request = Request::get("/")
        .header("x-selvedge-resource", "kv/other")
        .header("x-selvedge-token", "guess")
        .body(http_body_util::Full::default())
        .unwrap();
    assert_eq!(running.send(request).await.json()["fetch"], "undefined");
    let asked = lab.asked();
    assert_eq!(asked[0].header("x-selvedge-resource"), ["kv/ns-1"]);
    assert_eq!(asked[0].header("x-selvedge-token"), [TOKEN]);
    running.stop().await;
}

#[tokio::test]
async fn any_text_in_a_var_arrives_intact() {
    let lab = Lab::new();
    let all: String = ('\0'..='\u{ff}').chain("\"'\\`${x}\u{2028}é漢😀\u{feff}".chars()).collect();
    let mut app = worker("app", "export default { fetch(_, env) { return Response.json(env) } }");
    let json = json!({ "deep": [1, null, "a\"b"], "😀": true });
    app.worker.vars.insert("TEXT".to_owned(), Var::Text(all.clone()));
    app.worker.vars.insert("EMPTY".to_owned(), Var::Text(String::new()));
    app.worker.vars.insert("JSON".to_owned(), Var::Json(json.to_string()));
    app.worker.vars.insert("odd \"name\\".to_owned(), Var::Text("x".to_owned()));
    app.worker.version_metadata = Some("VERSION".to_owned());
    let running = lab.start(&[app]).await;
    assert_eq!(
        running.get("/").await.json(),
        json!({
            "TEXT": all, "EMPTY": "", "JSON": json, "odd \"name\\": "x",
            "VERSION": { "id": "v1", "tag": "first", "timestamp": "2026-11-22T04:41:57.091Z" },
        })
    );
    running.stop().await;
}

#[tokio::test]
async fn the_request_keeps_its_headers_and_its_cf_is_not_among_them() {
    let lab = Lab::new();
    let code = "export default { fetch(r) { return Response.json({ url: r.url, cf: r.cf, headers: [...r.headers.keys()] }) } }";
    let running = lab.start(&[worker("app", code)]).await;
    let request = Request::get("/path?q=1")
        .header("host", "example.com")
        .header("x-forwarded-proto", "https")
        .header("x-selvedge-cf", r#"{"country":"CH"}"#)
        .body(http_body_util::Full::default())
        .unwrap();
    assert_eq!(
        running.send(request).await.json(),
        json!({ "url": "http://example.com/path?q=1", "cf": { "country": "CH" }, "headers": ["host", "x-forwarded-proto"] })
    );
    running.stop().await;
}

#[tokio::test]
async fn the_cache_api_finds_nothing_and_does_not_throw() {
    let lab = Lab::new();
    let code = r#"
        export default {
          async fetch() {
            const named = await caches.open("named");
            const url = "https://example.com/";
            const put = (cache, body) =>
              cache.put(url, new Response(body, { headers: { "cache-control": "max-age=60" } }));
            await put(caches.default, "x");
            await put(named, "y".repeat(300_000));
            return Response.json([
              (await caches.default.match(url)) === undefined,
              (await named.match(url)) === undefined,
              await caches.default.delete(url),
            ]);
          },
        };
    "#;
    let running = lab.start(&[worker("app", code)]).await;
    assert_eq!(running.get("/").await.json(), json!([true, true, false]));
    running.stop().await;
}

#[tokio::test]
async fn hyperdrive_reaches_the_socket_of_its_binding() {
    let lab = Lab::new();
    let socket = lab.path().join("hyperdrive.sock");
    let database = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = database.accept().await.unwrap();
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(&[b"got ", greeting.as_slice()].concat()).await.unwrap();
    });
    let code = r#"
        export default {
          async fetch(_, env) {
            const socket = env.HD.connect();
            const writer = socket.writable.getWriter();
            await writer.write(new TextEncoder().encode("hello"));
            const reader = socket.readable.getReader();
            let text = "";
            while (text.length < 9) text += new TextDecoder().decode((await reader.read()).value);
            const { database, user, password, port, connectionString } = env.HD;
            return Response.json({ text, database, user, password, port, scheme: connectionString.split(":")[0] });
          },
        };
    "#;
    let mut app = worker("app", code);
    app.worker.hyperdrive.push(Hyperdrive {
        binding: "HD".to_owned(),
        id: "h".to_owned(),
        ..Hyperdrive::default()
    });
    app.hyperdrive.push(HyperdriveTarget {
        binding: "HD".to_owned(),
        socket,
        scheme: "postgres".to_owned(),
        database: "shop".to_owned(),
        user: "me".to_owned(),
        password: "p\"w".to_owned(),
    });
    let running = lab.start(&[app]).await;
    assert_eq!(
        running.get("/").await.json(),
        json!({
            "text": "got hello", "database": "shop", "user": "me", "password": "p\"w", "port": 5432,
            "scheme": "postgres",
        })
    );
    running.stop().await;
}

fn with_assets(lab: &Lab, mut worker: AppWorker, config: &str) -> AppWorker {
    let directory = lab.path().join("public");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("index.html"), "<h1>home</h1>").unwrap();
    std::fs::write(directory.join("404.html"), "<h1>lost</h1>").unwrap();
    std::fs::write(directory.join("secret.txt"), "secret").unwrap();
    std::fs::write(directory.join("_headers"), "/*\n  X-Made-By: selvedge \"quoted\"\n").unwrap();
    std::fs::write(directory.join("_redirects"), "/old /new 301\n").unwrap();
    std::fs::write(directory.join(".assetsignore"), "secret.txt\n_headers\n_redirects\n.assetsignore\n")
        .unwrap();
    worker.worker.assets =
        Some(Assets { directory, binding: Some("ASSETS".to_owned()), config: config.to_owned() });
    worker
}

#[tokio::test]
async fn assets_come_before_the_script_and_are_bound_to_it() {
    let lab = Lab::new();
    let code = r#"
        export default {
          async fetch(request, env) {
            if (!request.url.endsWith("/bound")) return new Response("script");
            const asset = await env.ASSETS.fetch("https://assets/");
            return new Response("bound " + (await asset.text()));
          },
        };
    "#;
    let app = with_assets(&lab, worker("app", code), "{}");
    let running = lab.start(&[app]).await;
    let home = running.get("/").await;
    assert_eq!(home.body, "<h1>home</h1>");
    assert_eq!(home.headers["x-made-by"], "selvedge \"quoted\"");
    assert_eq!(running.get("/elsewhere").await.body, "script");
    assert_eq!(running.get("/secret.txt").await.body, "script");
    assert_eq!(running.get("/bound").await.body, "bound <h1>home</h1>");
    let moved = running.get("/old").await;
    assert_eq!((moved.status.as_u16(), &moved.headers["location"]), (301, &"/new".parse().unwrap()));
    running.stop().await;
}

#[tokio::test]
async fn a_worker_may_be_nothing_but_assets() {
    let lab = Lab::new();
    let mut app = with_assets(&lab, worker("site", ""), r#"{"not_found_handling":"404-page"}"#);
    app.modules.clear();
    app.worker.assets.as_mut().unwrap().binding = None;
    let running = lab.start(&[app]).await;
    assert_eq!(running.get("/").await.body, "<h1>home</h1>");
    let lost = running.get("/nowhere").await;
    assert_eq!((lost.status.as_u16(), lost.body.as_str()), (404, "<h1>lost</h1>"));
    running.stop().await;
}

#[tokio::test]
async fn private_addresses_are_reached_only_when_that_is_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlocal")
                    .await;
            });
        }
    });
    let code = r"
        export default {
          async fetch(_, env) {
            try { return new Response(await (await fetch(env.URL)).text()) }
            catch (error) { return new Response(`refused: ${error.message}`) }
          },
        };
    ";
    let mut app = worker("app", code);
    app.worker.vars.insert("URL".to_owned(), Var::Text(url));
    for (allowed, expected) in [(false, "refused: "), (true, "local")] {
        let lab = Lab { local_network: allowed, ..Lab::new() };
        let running = lab.start(std::slice::from_ref(&app)).await;
        let body = running.get("/").await.body;
        assert!(body.starts_with(expected), "{allowed}: {body}");
        running.stop().await;
    }
}
