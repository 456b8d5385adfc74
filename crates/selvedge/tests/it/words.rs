//! What the command says of itself.

use insta::assert_snapshot;

use crate::support::run;

async fn help(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (code, said) = run(directory.path(), arguments).await;
    assert_eq!(code, Some(0), "{said}");
    said
}

#[tokio::test]
async fn help_is_short_and_says_what_there_is() {
    assert_snapshot!(help(&["--help"]).await);
    assert_snapshot!(help(&["dev", "--help"]).await);
}

#[tokio::test]
async fn an_unknown_option_is_answered_with_the_right_one() {
    let directory = tempfile::tempdir().unwrap();
    let (code, said) = run(directory.path(), &["dev", "--prot", "1"]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("--port"), "{said}");
}
