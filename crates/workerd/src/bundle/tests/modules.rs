//! Files that become modules of their own.

use selvedge_project::ModuleKind;

use super::fixture::{Fixture, names, rule, watched};

/// A module that exports `add`.
const WASM: &[u8] = b"\0asm\x01\0\0\0\x01\x07\x01\x60\x02\x7f\x7f\x01\x7f\x03\x02\x01\0\x07\x07\x01\x03add\0\0\x0a\x09\x01\x07\0\x20\0\x20\x01\x6a\x0b";

#[tokio::test]
async fn wasm_text_and_data_are_modules() {
    let mut fixture = Fixture::new(&[
        (
            "src/index.js",
            r#"
            import wasm from "./add.wasm";
            import again from "./add.wasm?module";
            import packaged from "pkg/add.wasm";
            import text from "./deep/hello.txt";
            import page from "./page.html";
            import sql from "./schema.sql";
            import data from "./raw.bin";
            import note from "./note.md";
            const add = (module) => new WebAssembly.Instance(module).exports.add(40, 2);
            export default {
                fetch: () => Response.json([add(wasm), add(again), add(packaged), text, page, sql, [...new Uint8Array(data)], note]),
            };
            "#,
        ),
        ("src/deep/hello.txt", "hello"),
        ("src/page.html", "<p>"),
        ("src/schema.sql", "SELECT 1"),
        ("src/note.md", "# note"),
    ]);
    fixture.write("src/add.wasm", WASM);
    fixture.write("node_modules/pkg/add.wasm", [WASM, b"\0\x02\x01x"].concat());
    fixture.write("src/raw.bin", [0, 255]);
    fixture.build().rules.insert(0, rule(ModuleKind::Text, &["**/*.md"]));
    let expected = r##"[42,42,42,"hello","<p>","SELECT 1",[0,255],"# note"]"##;
    assert_eq!(fixture.answer("/").await, expected);
    let bundle = fixture.bundle().await.unwrap();
    assert!(watched(&bundle.inputs, &fixture.path("src/add.wasm")), "{:?}", bundle.inputs);
    assert!(watched(&bundle.inputs, &fixture.path("src/deep/hello.txt")));
    assert_eq!(bundle.modules.len(), 9);

    fixture.build().preserve_file_names = true;
    assert_eq!(fixture.answer("/").await, expected);
    let bundle = fixture.bundle().await.unwrap();
    assert!(names(&bundle).contains(&"deep/hello.txt"), "{:?}", names(&bundle));
}

#[tokio::test]
async fn a_rule_that_bundling_cannot_follow_is_a_warning() {
    let mut fixture = Fixture::new(&[("index.js", "export default {};")]);
    fixture.build().rules.push(rule(ModuleKind::Text, &["docs/*.md"]));
    let bundle = fixture.bundle().await.unwrap();
    assert_eq!(bundle.warnings.len(), 1);
    assert!(bundle.warnings[0].contains("docs/*.md"), "{}", bundle.warnings[0]);
}

#[tokio::test]
async fn without_bundling_the_entry_stays_and_its_neighbours_are_modules() {
    let main = "import { a } from './lib/a.js'; import b from './b.cjs'; import t from './t.txt';\n\
                export default { fetch: () => new Response([a, b.b, t].join(' ')) };\n";
    let mut fixture = Fixture::new(&[
        ("dist/index.js", main),
        ("dist/lib/a.js", "export const a = 'a';"),
        ("dist/b.cjs", "module.exports = { b: 'b' };"),
        ("dist/t.txt", "t"),
        ("dist/other.css", "p {}"),
        ("dist/node_modules/x/index.js", "export default 1;"),
        ("dist/.git/hook.js", "export default 1;"),
    ]);
    fixture.build().no_bundle = true;
    fixture.build().find_additional_modules = true;
    let bundle = fixture.bundle().await.unwrap();
    assert_eq!(names(&bundle), ["index.js", "b.cjs", "lib/a.js", "t.txt"]);
    assert_eq!(bundle.modules[0].bytes, main.as_bytes());
    assert_eq!(bundle.watch, [fixture.path("dist")]);
    assert_eq!(fixture.answer("/").await, "a b t");

    // A main module below the base keeps its place.
    fixture.build().base_dir = fixture.path("");
    let bundle = fixture.bundle().await.unwrap();
    assert_eq!(names(&bundle)[0], "dist/index.js");
    assert_eq!(fixture.answer("/").await, "a b t");

    // Without the search, only what the rules name: code has no default rule.
    fixture.build().find_additional_modules = false;
    assert_eq!(names(&fixture.bundle().await.unwrap()), ["dist/index.js", "dist/t.txt"]);
}

#[tokio::test]
async fn additional_modules_stay_outside_the_bundle() {
    let source = r#"
        import en from "./lang/en.mjs";
        import { helper } from "./helper";
        import note from "./note.txt";
        export default {
            async fetch(request) {
                const name = new URL(request.url).pathname.slice(1);
                const seen = await import(`./lang/${name}.mjs`);
                const unseen = await import(["./lang", name + ".mjs"].join("/"));
                return new Response([en, seen.default, unseen.default === seen.default, helper(), note].join(" "));
            },
        };
    "#;
    let mut fixture = Fixture::new(&[
        ("src/index.js", source),
        ("src/helper.ts", "export const helper = (): string => 'helped';"),
        ("src/lang/en.mjs", "export default 'en';"),
        ("src/lang/fr.mjs", "export default 'fr';"),
        ("src/note.txt", "note"),
    ]);
    fixture.build().find_additional_modules = true;
    fixture.build().rules.insert(0, rule(ModuleKind::EsModule, &["**/*.mjs"]));
    for (minify, base) in [(false, "src"), (false, ""), (true, "src"), (true, "")] {
        fixture.build().minify = minify;
        fixture.build().base_dir = fixture.path(base);
        let bundle = fixture.bundle().await.unwrap();
        let prefix = if base.is_empty() { "src/" } else { "" };
        let expected = ["index.js", "lang/en.mjs", "lang/fr.mjs", "note.txt"];
        assert_eq!(names(&bundle), expected.map(|name| format!("{prefix}{name}")));
        assert_eq!(fixture.answer("/fr").await, "en fr true helped note", "minify {minify}, base {base:?}");
        assert!(watched(&bundle.inputs, &fixture.path("src/lang/fr.mjs")));
        assert_eq!(bundle.watch, [fixture.path(base)]);
    }
}
