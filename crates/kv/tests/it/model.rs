//! Random operations on the engine and on a map, which must always agree.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selvedge_kv::{ListOptions, PutOptions};

use crate::{Lab, START, large};

#[derive(Clone, Debug)]
enum Step {
    Put { key: String, size: usize, ttl: Option<i64>, metadata: bool },
    Delete { key: String },
    Get { key: String },
    List { prefix: String, limit: i64 },
    Advance { seconds: u64 },
    CleanUp,
    Reopen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    size: usize,
    expires: Option<u64>,
    metadata: Option<String>,
}

fn keys() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "/", "é", "😀"]), 1..4).prop_map(|p| p.concat())
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..200_usize, 1 => 65_535..65_538_usize, 1 => Just(150_000)]
}

fn steps() -> impl Strategy<Value = Step> {
    let ttl = prop::option::weighted(0.4, 60..200_i64);
    prop_oneof![
        6 => (keys(), sizes(), ttl, any::<bool>())
            .prop_map(|(key, size, ttl, metadata)| Step::Put { key, size, ttl, metadata }),
        2 => keys().prop_map(|key| Step::Delete { key }),
        3 => keys().prop_map(|key| Step::Get { key }),
        3 => (prop_oneof![Just(String::new()), keys()], 1..6_i64)
            .prop_map(|(prefix, limit)| Step::List { prefix, limit }),
        2 => (1..90_u64).prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::CleanUp),
        1 => Just(Step::Reopen),
    ]
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut lab = Lab::new().await;
    let mut model: BTreeMap<String, Held> = BTreeMap::new();
    let mut now = START;
    for step in steps {
        model.retain(|_, held| held.expires.is_none_or(|at| at > now));
        match step {
            Step::Put { key, size, ttl, metadata } => {
                let metadata = metadata.then(|| format!("[{size}]"));
                let options =
                    PutOptions { expiration_ttl: ttl, metadata: metadata.clone(), ..PutOptions::default() };
                lab.namespace.put(&key, large(size), &options).await.unwrap();
                let expires = ttl.map(|ttl| now + ttl.unsigned_abs());
                model.insert(key, Held { size, expires, metadata });
            }
            Step::Delete { key } => {
                lab.namespace.delete(&key).await.unwrap();
                model.remove(&key);
            }
            Step::Get { key } => compare(&lab, &key, model.get(&key)).await?,
            Step::List { prefix, limit } => list(&lab, &prefix, limit, &model).await?,
            Step::Advance { seconds } => {
                now += seconds;
                lab.clock.advance(seconds * 1000);
            }
            Step::CleanUp => lab.clean_up().await,
            Step::Reopen => lab = lab.reopen().await,
        }
    }
    model.retain(|_, held| held.expires.is_none_or(|at| at > now));
    for (key, held) in &model {
        compare(&lab, key, Some(held)).await?;
    }
    list(&lab, "", 3, &model).await?;
    lab.clean_up().await;
    prop_assert_eq!(lab.value_files(), model.values().filter(|held| held.size > 65_536).count());
    Ok(())
}

async fn compare(lab: &Lab, key: &str, held: Option<&Held>) -> Result<(), TestCaseError> {
    let entry = lab.namespace.get_with_metadata(key).await.unwrap();
    let Some(entry) = entry else {
        prop_assert_eq!(held, None, "{}", key);
        return Ok(());
    };
    let (metadata, expires) = (entry.metadata, entry.expiration);
    let bytes = entry.value.into_bytes().await.unwrap();
    prop_assert_eq!(&bytes[..], large(bytes.len()));
    prop_assert_eq!(Some(&Held { size: bytes.len(), expires, metadata }), held);
    Ok(())
}

/// Walks all pages.
async fn list(
    lab: &Lab,
    prefix: &str,
    limit: i64,
    model: &BTreeMap<String, Held>,
) -> Result<(), TestCaseError> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let options = ListOptions { prefix, limit: Some(limit), cursor: cursor.as_deref() };
        let page = lab.namespace.list(&options).await.unwrap();
        let full = i64::try_from(page.keys.len()).unwrap() == limit;
        prop_assert!(full || page.cursor.is_none());
        found.extend(page.keys.into_iter().map(|key| (key.name, key.expiration, key.metadata)));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> = model
        .iter()
        .filter(|(key, _)| key.starts_with(prefix))
        .map(|(key, held)| (key.clone(), held.expires, held.metadata.clone()))
        .collect();
    prop_assert_eq!(found, expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_engine_agrees_with_a_map(steps in prop::collection::vec(steps(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps))?;
    }
}
