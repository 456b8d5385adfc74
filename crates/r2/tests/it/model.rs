//! Random calls, answered by the engine and by a map.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use selvedge_base::{Clock as _, Millis};
use selvedge_r2::{
    Bucket, ClaimedPart, Conditions, CreateOptions, Error, EtagMatcher, Get, ListOptions, PutOptions, Range,
};

use crate::support::{Place, body, bytes};

#[derive(Clone, Debug)]
enum Step {
    Put { key: usize, size: usize, fill: u8, condition: Condition },
    Get { key: usize, range: Option<Range>, condition: Condition },
    Delete(Vec<usize>),
    List { prefix: usize, delimiter: usize, limit: i64, start_after: Option<usize> },
    Multipart { key: usize, parts: Vec<(u8, usize)>, abort: bool },
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Condition {
    Nothing,
    Absent,
    Matches,
    MatchesOther,
    Differs,
    Before(i64),
    After(i64),
}

const KEYS: &[&str] = &[
    "a",
    "a/",
    "a/b",
    "a/b/c",
    "a/é",
    "a0",
    "b//c",
    "b/\u{10FFFF}",
    "b/\u{10FFFF}x",
    "é/1",
    "é/2",
    "\u{FF5E}",
    "\u{1F600}",
];
const PREFIXES: &[&str] = &["", "a", "a/", "b/", "é", "none"];
const DELIMITERS: &[&str] = &["", "/", "//", "\u{10FFFF}", "b/"];

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => Just(Condition::Nothing),
        1 => Just(Condition::Absent),
        1 => Just(Condition::Matches),
        1 => Just(Condition::MatchesOther),
        1 => Just(Condition::Differs),
        1 => (-3_i64..3).prop_map(Condition::Before),
        1 => (-3_i64..3).prop_map(Condition::After),
    ]
}

fn range() -> impl Strategy<Value = Range> {
    let number = || prop_oneof![0_u64..45, Just(u64::MAX)];
    prop_oneof![
        (number(), proptest::option::of(number()))
            .prop_map(|(offset, length)| Range::From { offset, length }),
        number().prop_map(Range::Suffix),
        (number(), number()).prop_map(|(first, last)| Range::Header(format!("bytes={first}-{last}"))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..KEYS.len();
    prop_oneof![
        6 => (key(), 0_usize..40, any::<u8>(), condition())
            .prop_map(|(key, size, fill, condition)| Step::Put { key, size, fill, condition }),
        6 => (key(), proptest::option::of(range()), condition())
            .prop_map(|(key, range, condition)| Step::Get { key, range, condition }),
        2 => proptest::collection::vec(key(), 0..4).prop_map(Step::Delete),
        4 => (0..PREFIXES.len(), 0..DELIMITERS.len(), 1_i64..5, proptest::option::of(key()))
            .prop_map(|(prefix, delimiter, limit, start_after)| Step::List { prefix, delimiter, limit, start_after }),
        2 => (key(), proptest::collection::vec((1_u8..6, 0_usize..3), 1..6), any::<bool>())
            .prop_map(|(key, parts, abort)| Step::Multipart { key, parts, abort }),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Debug)]
struct Known {
    bytes: Vec<u8>,
    etag: String,
    uploaded: Millis,
    version: String,
}

type Model = BTreeMap<String, Known>;

/// The condition for a key, and whether it holds by a table of its own.
fn decide(condition: Condition, known: Option<&Known>) -> (Conditions, bool) {
    let etag = known.map_or("none".to_owned(), |known| known.etag.clone());
    let at = known.map_or(1_700_000_000_000, |known| i64::try_from(known.uploaded.0).unwrap());
    let strong = |etag: String| vec![EtagMatcher::Strong(etag)];
    let nothing = Conditions::default();
    match condition {
        Condition::Nothing => (nothing, true),
        Condition::Absent => {
            (Conditions { etag_does_not_match: vec![EtagMatcher::Any], ..nothing }, known.is_none())
        }
        Condition::Matches => (Conditions { etag_matches: strong(etag), ..nothing }, known.is_some()),
        Condition::MatchesOther => (Conditions { etag_matches: strong("x".to_owned()), ..nothing }, false),
        Condition::Differs => (Conditions { etag_does_not_match: strong(etag), ..nothing }, known.is_none()),
        Condition::Before(by) => {
            (Conditions { uploaded_before: Some(at + by), ..nothing }, known.is_none() || by > 0)
        }
        Condition::After(by) => {
            (Conditions { uploaded_after: Some(at + by), ..nothing }, known.is_some() && by < 0)
        }
    }
}

/// The bytes that a range means, `None` for a refusal.
fn cut(content: &[u8], range: &Range) -> Option<Vec<u8>> {
    let small = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let cut: Vec<u8> = match range {
        Range::From { offset, length } => {
            content.iter().copied().skip(small(*offset)).take(length.map_or(usize::MAX, small)).collect()
        }
        Range::Suffix(suffix) => content[content.len() - small(*suffix).min(content.len())..].to_vec(),
        Range::Header(value) => {
            let (first, last) = value.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            if first > last || first >= content.len() {
                return Some(content.to_vec());
            }
            content[first..=last.min(content.len() - 1)].to_vec()
        }
        Range::Part(_) => unreachable!("not among those that are made up"),
    };
    (!cut.is_empty()).then_some(cut)
}

async fn put(
    place: &Place,
    bucket: &Bucket,
    model: &mut Model,
    key: &str,
    content: Vec<u8>,
    condition: Condition,
) {
    let (conditions, holds) = decide(condition, model.get(key));
    let options = PutOptions { conditions, ..PutOptions::default() };
    match bucket.put(key, body(&content, 9), content.len() as u64, options).await {
        Ok(object) => {
            assert!(holds, "{key} {condition:?}");
            assert_eq!((object.size, object.uploaded), (content.len() as u64, place.clock.now()));
            assert!(model.values().all(|known| known.version != object.version));
            let (etag, uploaded, version) = (object.etag, object.uploaded, object.version);
            model.insert(key.to_owned(), Known { bytes: content, etag, uploaded, version });
        }
        Err(Error::PreconditionFailed) => assert!(!holds, "{key} {condition:?}"),
        Err(other) => panic!("{other}"),
    }
}

async fn get(bucket: &Bucket, model: &Model, key: &str, range: Option<&Range>, condition: Condition) {
    let known = model.get(key);
    let (conditions, holds) = decide(condition, known);
    match (bucket.get(key, range, &conditions).await, known) {
        (Ok(Get::Missing), None) => {}
        (Ok(Get::Unmet(object)), Some(known)) => {
            assert!(!holds);
            assert_eq!(object.version, known.version);
        }
        (Ok(Get::Found(found)), Some(known)) => {
            assert!(holds);
            let expected = range.map_or(Some(known.bytes.clone()), |range| cut(&known.bytes, range));
            assert_eq!(found.object.version, known.version);
            assert_eq!(found.span.length, expected.as_ref().map_or(0, Vec::len) as u64);
            assert_eq!(bytes(found.content).await.unwrap(), expected.unwrap_or_default());
        }
        (Err(Error::InvalidRange), Some(known)) => {
            assert!(holds);
            assert_eq!(cut(&known.bytes, range.unwrap()), None);
        }
        (other, _) => panic!("{key}: {other:?}"),
    }
}

async fn list(bucket: &Bucket, model: &Model, mut options: ListOptions) {
    let (mut keys, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for key in model.keys().filter(|key| key.starts_with(&options.prefix)) {
        if options.start_after.as_ref().is_some_and(|after| key <= after) {
            continue;
        }
        let rest = &key[options.prefix.len()..];
        match rest.find(&options.delimiter) {
            Some(at) if !options.delimiter.is_empty() => {
                groups.insert(key[..options.prefix.len() + at + options.delimiter.len()].to_owned());
            }
            _ => {
                keys.insert(key.clone());
            }
        }
    }
    let mut expected: Vec<String> = keys.iter().chain(&groups).cloned().collect();
    expected.sort();
    let limit = usize::try_from(options.limit.unwrap()).unwrap();
    let (mut found_keys, mut found_groups) = (Vec::new(), Vec::new());
    loop {
        let page = bucket.list(&options).await.unwrap();
        let mut names: Vec<String> = page.objects.iter().map(|object| object.key.clone()).collect();
        for object in &page.objects {
            assert_eq!(object.version, model[&object.key].version);
        }
        found_keys.extend(names.iter().cloned());
        found_groups.extend(page.groups.iter().cloned());
        names.extend(page.groups);
        names.sort();
        let rest = expected.split_off(names.len().min(expected.len()));
        assert_eq!(names, expected, "the next in order");
        assert_eq!(
            names.len() == limit,
            !rest.is_empty() || names.len() == limit,
            "full unless it is the last"
        );
        assert_eq!(page.cursor.is_some(), !rest.is_empty());
        expected = rest;
        options.cursor = page.cursor;
        if options.cursor.is_none() {
            break;
        }
    }
    assert!(expected.is_empty());
    assert_eq!(found_keys, keys.into_iter().collect::<Vec<_>>());
    assert_eq!(found_groups, groups.into_iter().collect::<Vec<_>>());
}

async fn multipart(
    place: &Place,
    bucket: &Bucket,
    model: &mut Model,
    key: &str,
    parts: &[(u8, usize)],
    abort: bool,
) {
    let id = bucket.create_multipart(key, CreateOptions::default()).await.unwrap();
    let mut stored = BTreeMap::new();
    for &(number, kind) in parts {
        let content = vec![number; [4, 8, 20][kind]];
        let number = u32::from(number);
        let etag =
            bucket.upload_part(key, &id, number, body(&content, 3), content.len() as u64).await.unwrap();
        stored.insert(number, (etag, content));
    }
    if abort {
        bucket.abort_multipart(key, &id).await.unwrap();
        return;
    }
    // Part 2 is left out if there are others.
    if stored.len() > 1 {
        stored.remove(&2);
    }
    let claimed = stored.iter().rev().map(|(&number, (etag, _))| ClaimedPart::new(number, etag.clone()));
    let sizes: Vec<usize> = stored.values().map(|(_, content)| content.len()).collect();
    let (last, others) = sizes.split_last().unwrap();
    let outcome = bucket.complete_multipart(key, &id, claimed.collect()).await;
    match outcome {
        Ok(object) => {
            assert!(others.iter().all(|size| *size == others[0] && *size >= 8 && size >= last));
            assert_eq!(object.uploaded, place.clock.now());
            assert!(object.etag.ends_with(&format!("-{}", sizes.len())));
            let content = stored.into_values().flat_map(|(_, content)| content).collect();
            let known = Known {
                bytes: content,
                etag: object.etag,
                uploaded: object.uploaded,
                version: object.version,
            };
            model.insert(key.to_owned(), known);
        }
        Err(Error::PartTooSmall) => assert!(others.iter().any(|size| *size < 8)),
        Err(Error::UnequalParts) => {
            assert!(others.iter().any(|size| *size != others[0]) || *last > others[0]);
        }
        Err(other) => panic!("{other}"),
    }
    // An upload whose completing was refused is still open.
    bucket.abort_multipart(key, &id).await.unwrap();
}

async fn run(steps: Vec<Step>) {
    let place = Place::new();
    let mut bucket = place.open().await;
    let mut model = Model::new();
    for step in steps {
        place.clock.advance(1);
        match step {
            Step::Put { key, size, fill, condition } => {
                let content = (0..size).map(|n| fill.wrapping_add(u8::try_from(n).unwrap())).collect();
                put(&place, &bucket, &mut model, KEYS[key], content, condition).await;
            }
            Step::Get { key, range, condition } => {
                get(&bucket, &model, KEYS[key], range.as_ref(), condition).await;
            }
            Step::Delete(keys) => {
                for &key in &keys {
                    model.remove(KEYS[key]);
                }
                bucket.delete(keys.into_iter().map(|key| KEYS[key].to_owned()).collect()).await.unwrap();
            }
            Step::List { prefix, delimiter, limit, start_after } => {
                let options = ListOptions {
                    limit: Some(limit),
                    prefix: PREFIXES[prefix].to_owned(),
                    delimiter: DELIMITERS[delimiter].to_owned(),
                    start_after: start_after.map(|key| KEYS[key].to_owned()),
                    ..ListOptions::default()
                };
                list(&bucket, &model, options).await;
            }
            Step::Multipart { key, parts, abort } => {
                multipart(&place, &bucket, &mut model, KEYS[key], &parts, abort).await;
            }
            Step::Reopen => {
                drop(bucket);
                bucket = place.open().await;
            }
        }
    }
    for key in KEYS {
        get(&bucket, &model, key, None, Condition::Nothing).await;
    }
    let usage = bucket.usage().await.unwrap();
    let bytes = model.values().map(|known| known.bytes.len() as u64).sum::<u64>();
    assert_eq!((usage.objects, usage.bytes, usage.uploads), (model.len() as u64, bytes, 0));
    // Every file that is left is one that an object has.
    let large = model.values().filter(|known| known.bytes.len() > 16 && !known.etag.contains('-')).count();
    let parts: usize =
        model.values().filter_map(|known| known.etag.split_once('-')?.1.parse::<usize>().ok()).sum();
    place.settle(large + parts).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_bucket_is_a_map(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
