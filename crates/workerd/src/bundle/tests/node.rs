//! Node.js modules, in the real runtime.

use super::fixture::{Fixture, messages};

/// An ES module and a CommonJS package that use Node.js, with and without `node:`.
fn fixture() -> Fixture {
    Fixture::new(&[
        (
            "src/index.js",
            r#"
            import { createHash } from "node:crypto";
            import { EventEmitter } from "events";
            import { readFile } from "fs/promises";
            import { createRequire } from "node:module";
            import os from "node:os";
            import old from "old";
            const require = createRequire("/");
            class Own extends EventEmitter {}
            export default {
                fetch: () => Response.json([
                    createHash("sha256").update("").digest("hex").slice(0, 8),
                    typeof new Own().on, typeof readFile, typeof require("node:path").join, typeof os.platform(),
                    old, typeof process.env, typeof Buffer, typeof setImmediate,
                ]),
            };
            "#,
        ),
        (
            "node_modules/old/index.js",
            r#"
            const Emitter = require("events"), { Buffer } = require("buffer/"), browser = require("process/browser");
            class Own extends Emitter {}
            module.exports = [typeof new Own().emit, Buffer.from("hi").toString("hex"), browser, require("./hash")];
            "#,
        ),
        ("node_modules/old/package.json", r#"{"name":"old","browser":{"crypto":false}}"#),
        ("node_modules/old/hash.js", "module.exports = typeof require('crypto').createHash;"),
        ("node_modules/process/browser.js", "module.exports = 'npm process';"),
    ])
}

const EXPECTED: &str = r#"["e3b0c442","function","function","function","string",["function","6869","npm process","function"],"object","function","function"]"#;

#[tokio::test]
async fn node_modules_work_by_date_alone() {
    let fixture = fixture();
    let bundle = fixture.bundle().await.unwrap();
    assert!(bundle.compatibility_flags.is_empty(), "{:?}", bundle.compatibility_flags);
    assert!(bundle.warnings.is_empty(), "{:?}", bundle.warnings);
    assert_eq!(fixture.answer("/").await, EXPECTED);
}

#[tokio::test]
async fn modules_that_an_old_date_lacks_are_switched_on() {
    let mut fixture = fixture();
    fixture.worker.compatibility_date = "2024-09-23".to_owned();
    fixture.worker.compatibility_flags = vec!["nodejs_compat".to_owned()];
    let flags = fixture.bundle().await.unwrap().compatibility_flags;
    assert_eq!(flags, ["enable_nodejs_fs_module", "enable_nodejs_os_module"]);
    assert_eq!(fixture.answer("/").await, EXPECTED);
}

#[tokio::test]
async fn without_the_flag_a_node_import_says_what_to_add() {
    let mut fixture = Fixture::new(&[(
        "src/index.ts",
        "\nimport { join } from \"node:path\";\nexport default { fetch: () => new Response(join('a')) };\n",
    )]);
    fixture.worker.compatibility_date = "2026-01-01".to_owned();
    let prefixed = messages(&fixture).await;
    for part in
        ["Could not resolve \"node:path\"", "src/index.ts:2:21:", "~~~~~~~~~~~", "add \"nodejs_compat\""]
    {
        assert!(prefixed.contains(part), "{part:?} is not in:\n{prefixed}");
    }
    fixture.write(
        "src/index.ts",
        "import { join } from 'path';\nexport default { fetch: () => new Response(join('a')) };\n",
    );
    let bare = messages(&fixture).await;
    for part in ["Could not resolve \"path\"", "src/index.ts:1:21:", "add \"nodejs_compat\""] {
        assert!(bare.contains(part), "{part:?} is not in:\n{bare}");
    }
    assert!(!bare.contains("--platform"), "{bare}");

    // What may never run is no reason to refuse.
    fixture.write(
        "src/index.ts",
        "export default { fetch: async () => new Response(await import('node:path').then(() => 'yes', () => 'no')) };\n",
    );
    let bundle = fixture.bundle().await.unwrap();
    assert_eq!(bundle.warnings.len(), 1);
    assert!(bundle.warnings[0].contains("src/index.ts:1:62:"), "{}", bundle.warnings[0]);
    assert_eq!(fixture.answer("/").await, "no");
}

#[tokio::test]
async fn the_first_version_of_the_flag_knows_prefixed_names_only() {
    let mut fixture = Fixture::new(&[(
        "index.js",
        "import { join } from 'node:path'; export default { fetch: () => new Response(join('a', 'b')) };",
    )]);
    fixture.worker.compatibility_date = "2024-01-01".to_owned();
    fixture.worker.compatibility_flags = vec!["nodejs_compat".to_owned()];
    assert_eq!(fixture.answer("/").await, "a/b");
    fixture.write(
        "index.js",
        "import { join } from 'path'; export default { fetch: () => new Response(join('a')) };",
    );
    let bare = messages(&fixture).await;
    assert!(bare.contains("Write \"node:path\""), "{bare}");
}

#[tokio::test]
async fn nodejs_als_offers_async_hooks_only() {
    let mut fixture = Fixture::new(&[(
        "index.js",
        "import { AsyncLocalStorage } from 'node:async_hooks'; export default { fetch: () => new Response(typeof AsyncLocalStorage) };",
    )]);
    fixture.worker.compatibility_date = "2024-01-01".to_owned();
    fixture.worker.compatibility_flags = vec!["nodejs_als".to_owned()];
    assert_eq!(fixture.answer("/").await, "function");
    fixture.write(
        "index.js",
        "import { join } from 'node:path'; export default { fetch: () => new Response(join('a')) };",
    );
    assert!(messages(&fixture).await.contains("add \"nodejs_compat\""));
}
