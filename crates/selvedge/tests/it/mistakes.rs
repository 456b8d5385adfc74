//! What a user can get wrong, and what they are told.

use crate::support::{Project, run};

const CONFIG: &str = r#"{ "name": "app", "main": "index.js", "compatibility_date": "2026-10-01" }"#;
const WORKER: &str = "export default { fetch() { return new Response('ok'); } };";

/// Starts `selvedge dev` where it must refuse, and answers what it said.
async fn refused(project: &Project, arguments: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["dev", ".", "--port", "0"];
    all.extend(arguments);
    let (code, said) = run(project.path(), &all).await;
    assert!(!said.contains("panicked"), "{said}");
    assert_ne!(code, Some(0), "{said}");
    (code, said)
}

#[tokio::test]
async fn no_config_says_what_was_looked_for() {
    let project = Project::new(&[]);
    let (code, said) = refused(&project, &[]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("wrangler.jsonc") && said.contains("wrangler.toml"), "{said}");
}

#[tokio::test]
async fn a_malformed_config_is_shown_with_its_place_in_each_format() {
    for (name, text, place) in [
        ("wrangler.jsonc", "{\n  \"name\": \"app\",\n  \"main\" \"index.js\"\n}", "wrangler.jsonc:3:"),
        ("wrangler.json", "{\n  \"name\": \"app\",\n  \"vars\": { \"A\": }\n}", "wrangler.json:3:"),
        ("wrangler.toml", "name = \"app\"\nmain = index.js\n", "wrangler.toml:2:"),
        ("wrangler.toml", "name = 7\nmain = \"index.js\"\n", "wrangler.toml:1:"),
    ] {
        let project = Project::new(&[(name, text), ("index.js", WORKER)]);
        let (code, said) = refused(&project, &[]).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(place), "{name}: {said}");
    }
}

#[tokio::test]
async fn an_unknown_environment_is_answered_with_those_there_are() {
    let config = r#"{ "name": "app", "main": "index.js", "compatibility_date": "2026-10-01",
        "env": { "staging": {}, "production": {} } }"#;
    let project = Project::new(&[("wrangler.jsonc", config), ("index.js", WORKER)]);
    let (_, said) = refused(&project, &["--env", "stagin"]).await;
    assert!(said.contains("staging") && said.contains("production"), "{said}");
}

#[tokio::test]
async fn a_binding_kind_that_is_not_there_is_a_warning_with_its_place() {
    let config = "name = \"app\"\nmain = \"index.js\"\ncompatibility_date = \"2026-10-01\"\n\n[ai]\nbinding = \"AI\"\n";
    let project = Project::new(&[("wrangler.toml", config), ("index.js", WORKER)]);
    let node = project.dev(&[]).await;
    assert_eq!(node.get("/").await.text(), "ok");
    let said = node.stop().await;
    assert!(said.contains("wrangler.toml:6") && said.contains("env.AI"), "{said}");
}

#[tokio::test]
async fn a_class_that_is_not_exported_is_named() {
    let config = r#"{ "name": "app", "main": "index.js", "compatibility_date": "2026-10-01",
        "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] },
        "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }] }"#;
    let project = Project::new(&[("wrangler.jsonc", config), ("index.js", WORKER)]);
    let mut node = project.start(&[]);
    node.listening().await;
    assert!(node.output().contains("Room"), "{}", node.output());
    project.write("index.js", &format!("{WORKER}\nexport class Room {{}}"));
    node.said("Reloaded in").await;
    assert_eq!(node.get("/").await.text(), "ok");
    node.stop().await;
}

#[tokio::test]
async fn a_syntax_error_is_shown_with_its_line() {
    let project =
        Project::new(&[("wrangler.jsonc", CONFIG), ("index.js", "export default {\n  fetch( {\n};\n")]);
    let mut node = project.start(&[]);
    node.listening().await;
    assert!(node.output().contains("index.js:3:"), "{}", node.output());
    node.stop().await;
}

#[tokio::test]
async fn a_compatibility_date_of_the_future_names_the_newest_there_is() {
    let config = CONFIG.replace("2026-10-01", "2031-01-01");
    let project = Project::new(&[("wrangler.jsonc", &config), ("index.js", WORKER)]);
    let (_, said) = refused(&project, &[]).await;
    assert!(said.contains("2031-01-01") && said.contains("wrangler.jsonc:1:"), "{said}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let project = Project::new(&[("wrangler.jsonc", CONFIG), ("index.js", WORKER)]);
    let (code, said) = run(project.path(), &["dev", "--port", &port]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains(&port) && said.contains("already in use"), "{said}");
}

#[tokio::test]
async fn a_data_directory_has_one_selvedge() {
    let project = Project::new(&[("wrangler.jsonc", CONFIG), ("index.js", WORKER)]);
    let first = project.dev(&[]).await;
    let (code, said) = refused(&project, &[]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("in use") && said.contains(&first.id().to_string()), "{said}");
    assert_eq!(first.get("/").await.text(), "ok");
    first.stop().await;
    project.dev(&[]).await.stop().await;
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let project = Project::new(&[("wrangler.jsonc", CONFIG), ("index.js", WORKER), ("data", "a file")]);
    let (code, said) = refused(&project, &["--persist-to", "data"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("data directory"), "{said}");
    assert_eq!(project.read("data"), "a file");
    let (_, said) = refused(&project, &["--persist-to", "/proc/selvedge"]).await;
    assert!(said.contains("/proc/selvedge"), "{said}");
}

#[tokio::test]
async fn a_data_directory_of_a_newer_format_is_refused_and_stays_as_it_is() {
    let project = Project::new(&[("wrangler.jsonc", CONFIG), ("index.js", WORKER)]);
    project.dev(&[]).await.stop().await;
    let catalog = project.path().join(".selvedge/catalog.sqlite");
    let mut bytes = std::fs::read(&catalog).unwrap();
    // `user_version` is the big-endian number at offset 60 of a SQLite file.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&catalog, &bytes).unwrap();
    let (code, said) = refused(&project, &[]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("newer") && said.contains("99"), "{said}");
    assert_eq!(std::fs::read(&catalog).unwrap(), bytes);
}

#[tokio::test]
async fn a_stranger_on_the_bindings_socket_is_turned_away() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let config = r#"{ "name": "app", "main": "index.js", "compatibility_date": "2026-10-01",
        "kv_namespaces": [{ "binding": "KV", "id": "secret" }] }"#;
    let project = Project::new(&[("wrangler.jsonc", config), ("index.js", WORKER)]);
    let node = project.dev(&[]).await;
    let lock = project.read(".selvedge/lock");
    let run = lock.lines().nth(1).unwrap();
    let mut stream = tokio::net::UnixStream::connect(format!("{run}/bindings.sock")).await.unwrap();
    let request = "GET /k?urlencoded=true HTTP/1.1\r\nHost: x\r\nx-selvedge-resource: kv/secret\r\n\
                   x-selvedge-token: guess\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");

    // Secrets: nothing of the run directory is for others to read, and no token is on a command line.
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(run).unwrap().permissions());
    assert_eq!(mode & 0o077, 0);
    node.stop().await;
}
