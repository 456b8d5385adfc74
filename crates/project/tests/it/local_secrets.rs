//! `.dev.vars` and `.env` files. The expected values are what wrangler 4.86.0 makes of the same files.

use selvedge_project::{Var, Worker};

use crate::support::{Fixture, toml};

fn texts(worker: &Worker) -> Vec<(&str, &str)> {
    let mut texts = Vec::new();
    for (name, var) in &worker.vars {
        let (Var::Text(text) | Var::Json(text)) = var;
        texts.push((name.as_str(), text.as_str()));
    }
    texts
}

const DEV_VARS: &str = r#"# a comment
PLAIN=value
 SPACED = around it  
export EXPORTED=yes
YAML: style
EMPTY=
SINGLE='it is # no comment \n'
DOUBLE="two\nlines" # a comment
BACK=`a "b" 'c'`
HASH=before#after
MULTI="first
second"
APOSTROPHE='it's'
JUNK="x" y
OPEN="never closed
ESCAPED="say \"hi\""
JSON={"a": 1}
URL=postgres://u:p@h/db?x=y&z==
DOLLAR=$PLAIN
dotted.key-x=1
TWICE=1
TWICE=2
not a variable
BACKSLASH='C:\dir\'
NEXT=1
QUOTED_KEY="a=b"
CR="a\rb"
HASHED="a \" # b"
BACKTAIL='C:\' # note
MULTI_ESC="one \"
two"
"#;

#[test]
fn dev_vars_are_read_as_wrangler_reads_them() {
    let fixture = toml("");
    fixture.write(".dev.vars", &format!("{DEV_VARS}WIN=1\r\nDOS=\"x\"\r\n"));
    let expected = [
        ("APOSTROPHE", "it's"),
        ("BACK", "a \"b\" 'c'"),
        ("BACKSLASH", "C:\\dir\\"),
        ("BACKTAIL", "C:\\"),
        ("CR", "a\rb"),
        ("DOLLAR", "$PLAIN"),
        ("DOS", "x"),
        ("DOUBLE", "two\nlines"),
        ("EMPTY", ""),
        ("ESCAPED", "say \\\"hi\\\""),
        ("EXPORTED", "yes"),
        ("HASH", "before"),
        ("HASHED", "a \\\" # b"),
        ("JSON", "{\"a\": 1}"),
        ("JUNK", "\"x\" y"),
        ("MULTI", "first\nsecond"),
        ("MULTI_ESC", "one \\\"\ntwo"),
        ("NEXT", "1"),
        ("OPEN", "\"never closed"),
        ("PLAIN", "value"),
        ("QUOTED_KEY", "a=b"),
        ("SINGLE", "it is # no comment \\n"),
        ("SPACED", "around it"),
        ("TWICE", "2"),
        ("URL", "postgres://u:p@h/db?x=y&z=="),
        ("WIN", "1"),
        ("YAML", "style"),
        ("dotted.key-x", "1"),
    ];
    assert_eq!(texts(&fixture.worker()), expected);
}

#[test]
fn a_line_that_sets_nothing_is_a_warning_that_does_not_show_it() {
    let fixture = toml("");
    fixture.write(".dev.vars", "A=1\nnot a variable\nB=2\n");
    insta::assert_snapshot!(fixture.report(), @r"
    warning: line 2 of .dev.vars sets no variable
    --> /app/.dev.vars
     = help: expected KEY=value; the line is ignored
    ");
    assert_eq!(texts(&fixture.worker()), [("A", "1"), ("B", "2")]);
}

const DOT_ENV: &str = r"A=one
B=$A-two
C=${A}three
D=${NOPE:-fallback}
E=${A:+there}
F=\$A
G=${NOPE}
H=$LATER
LATER=x
I=${NOPE-minus}
J=${A:-unused}
LOOP=$LOOP
K=pre${A}mid${B}post
L=${NOPE:-${A}}
M=$1
N='single $A'
O=a$
P=${}
OVER=env
Q=${A+plus}
R=${NOPE:+gone}
S=${A
";

fn dot_env() -> Fixture {
    let fixture = toml("[env.staging]\n");
    fixture.write(".env", DOT_ENV);
    fixture.write(".env.local", "OVER=local\nA2=$A\n");
    fixture.write(".env.staging", "OVER=staging\n");
    fixture.write(".env.staging.local", "OVER2=$OVER\n");
    fixture
}

#[test]
fn dotenv_files_are_expanded_as_wrangler_expands_them() {
    let expected = [
        ("A", "one"),
        ("A2", "one"),
        ("B", "one-two"),
        ("C", "onethree"),
        ("D", "fallback"),
        ("E", "there"),
        ("F", "$A"),
        ("G", ""),
        ("H", ""),
        ("I", "minus"),
        ("J", "one"),
        ("K", "preonemidone-twopost"),
        ("L", "one"),
        ("LATER", "x"),
        ("LOOP", ""),
        ("M", "$1"),
        ("N", "single one"),
        ("O", "a$"),
        ("OVER", "local"),
        ("P", "${}"),
        ("Q", "plus"),
        ("R", ""),
        ("S", "${A"),
    ];
    assert_eq!(texts(&dot_env().worker()), expected);
}

#[test]
fn dotenv_files_of_the_environment_come_last() {
    let worker = dot_env().env("staging").worker();
    assert_eq!(worker.vars["OVER"], Var::Text("staging".to_owned()));
    assert_eq!(worker.vars["OVER2"], Var::Text("staging".to_owned()));
}

#[test]
fn dev_vars_of_the_environment_win_and_dotenv_is_the_last_resort() {
    let fixture = toml("vars = { A = \"config\", N = 1 }\n[env.staging.vars]\nA = \"staging\"\nN = 2\n");
    fixture.write(".env", "A=env\nE=env");
    assert_eq!(texts(&fixture.worker()), [("A", "env"), ("E", "env"), ("N", "1")]);
    fixture.write(".dev.vars", "A=dev");
    assert_eq!(texts(&fixture.worker()), [("A", "dev"), ("N", "1")]);
    fixture.write(".dev.vars.staging", "S=secret");
    assert_eq!(texts(&fixture.worker()), [("A", "dev"), ("N", "1")]);
    let fixture = fixture.env("staging");
    assert_eq!(texts(&fixture.worker()), [("A", "staging"), ("N", "2"), ("S", "secret")]);
}

#[test]
fn dotenv_files_can_be_switched_off() {
    let fixture = toml("").environment(&[("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "false")]);
    fixture.write(".env", "A=env");
    assert_eq!(texts(&fixture.worker()), []);
    fixture.write(".dev.vars", "A=dev");
    assert_eq!(texts(&fixture.worker()), [("A", "dev")]);
}

#[test]
fn the_process_environment_counts_only_if_asked_for() {
    let process = [("HOME_TOWN", "x"), ("CLOUDFLARE_INCLUDE_PROCESS_ENV", "true")];
    let fixture = toml("").environment(&process[..1]);
    fixture.write(".env", "A=$HOME_TOWN");
    assert_eq!(texts(&fixture.worker()), [("A", "")]);
    let worker = fixture.environment(&process).worker();
    assert_eq!(worker.vars["A"], Var::Text("x".to_owned()));
    assert_eq!(worker.vars["HOME_TOWN"], Var::Text("x".to_owned()));
}

#[test]
fn declared_secrets_are_the_only_ones_taken_and_missed() {
    let fixture = toml("secrets.required = [\"KEY\", \"TOKEN\", \"LOST\"]\n").environment(&[("TOKEN", "t")]);
    fixture.write(".env", "KEY=k\nOTHER=o");
    assert_eq!(texts(&fixture.worker()), [("KEY", "k"), ("TOKEN", "t")]);
    insta::assert_snapshot!(fixture.report(), @r#"
    warning: secrets are missing: LOST
     --> /app/wrangler.toml:4:1
      |
    4 | secrets.required = ["KEY", "TOKEN", "LOST"]
      | ^^^^^^^ required here
      |
      = help: put them into .dev.vars or .env, or into the environment
    "#);
}

#[test]
fn a_local_variable_does_not_replace_another_binding() {
    let fixture = toml("kv_namespaces = [{ binding = \"KV\" }]\n");
    fixture.write(".dev.vars", "KV=x\nA=1");
    assert_eq!(texts(&fixture.worker()), [("A", "1")]);
}

#[test]
fn every_file_that_could_matter_is_watched() {
    let fixture = toml("[env.staging]\n").env("staging");
    let watched = fixture.load().unwrap().watched;
    let names: Vec<_> = watched.iter().map(|path| path.strip_prefix(fixture.root()).unwrap()).collect();
    let expected = [
        ".dev.vars",
        ".dev.vars.staging",
        ".env",
        ".env.local",
        ".env.staging",
        ".env.staging.local",
        "selvedge.toml",
        "wrangler.toml",
    ];
    assert_eq!(names, expected.map(std::path::Path::new));
}
