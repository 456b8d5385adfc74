//! What esbuild does with the sources themselves.

use sourcemap::SourceMap;

use super::fixture::{Fixture, code, names, watched};

#[tokio::test]
async fn typescript_and_jsx_run() {
    let mut fixture = Fixture::new(&[
        (
            "src/index.tsx",
            r#"
            import { greet } from "./greet";
            enum Colour { Red = 1, Blue }
            class Box<T> { constructor(private readonly inner: T) {} get() { return this.inner; } }
            const h = (tag: string, _props: unknown, ...rest: unknown[]) => `<${tag}>${rest.join("")}</${tag}>`;
            export default {
                async fetch(): Promise<Response> {
                    return new Response([Colour[2], new Box("boxed").get(), <b>bold</b>, greet("you"), Box.name].join(" "));
                },
            } satisfies ExportedHandler;
            "#,
        ),
        ("src/greet.ts", "export const greet = (who: string): string => `hello ${who}`;"),
        ("src/unused.ts", "export const unused = 1;"),
    ]);
    fixture.build().jsx_factory = Some("h".to_owned());
    assert_eq!(fixture.answer("/").await, "Blue boxed <b>bold</b> hello you Box");
    let bundle = fixture.bundle().await.unwrap();
    assert_eq!(names(&bundle), ["index.js"]);
    assert_eq!(bundle.exports, ["default"]);
    assert!(watched(&bundle.inputs, &fixture.path("src/greet.ts")));
    assert!(!watched(&bundle.inputs, &fixture.path("src/unused.ts")));
    assert!(bundle.warnings.is_empty() && bundle.watch.is_empty());
}

#[tokio::test]
async fn packages_resolve_with_the_conditions_of_workers() {
    let fixture = Fixture::new(&[
        ("index.js", "import where from 'dual'; export default { fetch: () => new Response(where) };"),
        (
            "node_modules/dual/package.json",
            r#"{"name":"dual","exports":{"node":"./node.js","workerd":"./workerd.js","default":"./other.js"}}"#,
        ),
        ("node_modules/dual/node.js", "export default 'node';"),
        ("node_modules/dual/workerd.js", "export default 'workerd';"),
        ("node_modules/dual/other.js", "export default 'other';"),
    ]);
    assert_eq!(fixture.answer("/").await, "workerd");
}

#[tokio::test]
async fn defines_aliases_and_minify_apply() {
    let mut fixture = Fixture::new(&[
        (
            "src/index.js",
            r#"
            import name from "the-name";
            const longIdentifier = [VERSION, process.env.NODE_ENV, navigator.userAgent, name];
            export default { fetch: () => Response.json(longIdentifier) };
            "#,
        ),
        ("src/names/real.js", "export default 'real';"),
    ]);
    let answer = r#"["1.2.3","development","Cloudflare-Workers","real"]"#;
    fixture.build().define.insert("VERSION".to_owned(), "\"1.2.3\"".to_owned());
    fixture.build().alias.insert("the-name".to_owned(), "./src/names/real.js".to_owned());
    assert_eq!(fixture.answer("/").await, answer);
    let long = fixture.bundle().await.unwrap();
    assert!(code(&long).contains("longIdentifier"));
    fixture.build().minify = true;
    assert_eq!(fixture.answer("/").await, answer);
    assert!(!code(&fixture.bundle().await.unwrap()).contains("longIdentifier"));

    // The user's word is the last one.
    fixture.build().define.insert("process.env.NODE_ENV".to_owned(), "\"production\"".to_owned());
    assert!(fixture.answer("/").await.contains("\"production\""));
}

#[tokio::test]
async fn the_source_map_leads_to_absolute_sources() {
    // `require` of a Node.js module makes us add a line of our own before esbuild's first.
    for package in ["export const add = 1;", "module.exports.add = require('fs').constants.R_OK;"] {
        let fixture = Fixture::new(&[
            (
                "src/index.ts",
                "import { add } from 'near';\ntype T = string;\nexport default {\n  fetch(): T { throw new Error('here' + add); },\n};\n",
            ),
            ("node_modules/near/index.js", package),
        ]);
        let bundle = fixture.bundle().await.unwrap();
        let line = code(&bundle).lines().position(|line| line.contains("new Error(\"here")).unwrap();
        let column = code(&bundle).lines().nth(line).unwrap().find("new Error").unwrap();
        let map = SourceMap::from_slice(bundle.source_map.as_deref().unwrap()).unwrap();
        let token = map.lookup_token(u32::try_from(line).unwrap(), u32::try_from(column).unwrap()).unwrap();
        assert_eq!(token.get_source(), fixture.path("src/index.ts").to_str());
        assert_eq!((token.get_src_line(), token.get_src_col()), (3, 21));
    }
}

#[tokio::test]
async fn a_tsconfig_is_read_and_watched() {
    let mut fixture = Fixture::new(&[
        ("src/index.ts", "import x from '@/x'; export default { fetch: () => new Response(x) };"),
        ("src/deep/x.ts", "export default 'by path';"),
        ("config/other.json", r#"{"compilerOptions":{"paths":{"@/*":["../src/deep/*"]}}}"#),
    ]);
    fixture.build().tsconfig = Some(fixture.path("config/other.json"));
    assert_eq!(fixture.answer("/").await, "by path");
    let bundle = fixture.bundle().await.unwrap();
    assert!(watched(&bundle.inputs, &fixture.path("config/other.json")));
}
