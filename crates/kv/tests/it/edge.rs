//! Locations and their staleness.

use proptest::prelude::*;
use selvedge_kv::{CacheStatus, Edge, EdgeOptions, ListOptions, Location, PutOptions, Refusal};
use std::collections::HashMap;

use crate::{Lab, START, large};

fn options() -> EdgeOptions {
    EdgeOptions {
        locations: vec!["AMS".to_owned(), "NRT".to_owned()],
        own_writes_visible: true,
        cache_bytes: 1 << 20,
    }
}

fn both(lab: &Lab, options: &EdgeOptions) -> (Location, Location) {
    let edge = Edge::new(lab.namespace.clone(), options);
    (edge.at(Some("AMS")), edge.at(Some("NRT")))
}

async fn put(at: &Location, key: &str, value: &str) {
    at.put(key, value.to_owned(), &PutOptions::default()).await.unwrap();
}

/// The value as text, and whether it came from the cache.
async fn get_for(at: &Location, key: &str, cache_ttl: Option<u64>) -> (Option<String>, CacheStatus) {
    let (entry, state) = at.get(key, cache_ttl).await.unwrap();
    let text = match entry {
        Some(entry) => Some(String::from_utf8(entry.value.into_bytes().await.unwrap().to_vec()).unwrap()),
        None => None,
    };
    (text, state.status)
}

async fn get(at: &Location, key: &str) -> (Option<String>, CacheStatus) {
    get_for(at, key, None).await
}

fn hit(text: &str) -> (Option<String>, CacheStatus) {
    (Some(text.to_owned()), CacheStatus::Hit)
}

fn miss(text: &str) -> (Option<String>, CacheStatus) {
    (Some(text.to_owned()), CacheStatus::Miss)
}

async fn names(at: &Location, prefix: &str) -> (Vec<String>, CacheStatus) {
    let (page, state) = at.list(&ListOptions { prefix, ..ListOptions::default() }).await.unwrap();
    (page.keys.into_iter().map(|key| key.name).collect(), state.status)
}

#[tokio::test]
async fn a_write_is_seen_at_home_at_once_and_elsewhere_when_the_entry_has_lived() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &options());
    put(&ams, "plan", "free").await;
    assert_eq!(get(&nrt, "plan").await, miss("free"));
    put(&ams, "plan", "premium").await;
    assert_eq!(get(&ams, "plan").await, miss("premium"));
    lab.clock.advance(59_999);
    assert_eq!(get(&nrt, "plan").await, hit("free"));
    lab.clock.advance(1);
    assert_eq!(get(&nrt, "plan").await, miss("premium"));
    assert_eq!(get(&nrt, "plan").await, hit("premium"));
}

#[tokio::test]
async fn absences_and_deletions_are_kept_like_values() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &options());
    assert_eq!(get(&nrt, "k").await, (None, CacheStatus::Miss));
    put(&ams, "k", "v").await;
    assert_eq!(get(&nrt, "k").await, (None, CacheStatus::Hit));
    lab.clock.advance(60_000);
    assert_eq!(get(&nrt, "k").await, miss("v"));
    ams.delete("k").await.unwrap();
    assert_eq!(get(&ams, "k").await, (None, CacheStatus::Miss));
    assert_eq!(get(&nrt, "k").await, hit("v"));
    lab.clock.advance(60_000);
    assert_eq!(get(&nrt, "k").await, (None, CacheStatus::Miss));
}

#[tokio::test]
async fn a_reader_chooses_how_long_and_the_shortest_counts() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &options());
    put(&ams, "k", "1").await;
    assert_eq!(get_for(&nrt, "k", Some(3600)).await, miss("1"));
    put(&ams, "k", "2").await;
    lab.clock.advance(1_000_000);
    assert_eq!(get_for(&nrt, "k", Some(3600)).await, hit("1"));
    assert_eq!(get_for(&nrt, "k", Some(30)).await, miss("2"));
    put(&ams, "k", "3").await;
    lab.clock.advance(30_000);
    assert_eq!(get_for(&nrt, "k", Some(3600)).await, miss("3"), "thirty seconds were asked for");
}

#[tokio::test]
async fn own_writes_can_be_as_late_as_those_of_others() {
    let lab = Lab::new().await;
    let (ams, _) = both(&lab, &EdgeOptions { own_writes_visible: false, ..options() });
    assert_eq!(get(&ams, "k").await, (None, CacheStatus::Miss));
    assert_eq!(names(&ams, "").await, (vec![], CacheStatus::Miss));
    put(&ams, "k", "v").await;
    assert_eq!(get(&ams, "k").await, (None, CacheStatus::Hit));
    assert_eq!(names(&ams, "").await, (vec![], CacheStatus::Hit));
    lab.clock.advance(60_000);
    assert_eq!(get(&ams, "k").await, miss("v"));
    assert_eq!(names(&ams, "").await, (vec!["k".to_owned()], CacheStatus::Miss));
}

#[tokio::test]
async fn an_expired_key_is_gone_although_it_was_kept() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &options());
    let options =
        PutOptions { expiration_ttl: Some(90), metadata: Some("[1]".to_owned()), ..PutOptions::default() };
    ams.put("k", "v", &options).await.unwrap();
    put(&ams, "l", "v").await;
    let (entry, state) = nrt.get("k", Some(3600)).await.unwrap();
    let entry = entry.unwrap();
    assert_eq!((entry.metadata.as_deref(), entry.expiration), (Some("[1]"), Some(START + 90)));
    assert_eq!((state.age, state.lifetime), (0, 90_000), "an entry lives no longer than its key");
    lab.clock.advance(89_000);
    assert_eq!(names(&nrt, "").await.0, ["k", "l"]);
    let (entry, state) = nrt.get("k", Some(3600)).await.unwrap();
    assert_eq!(entry.unwrap().metadata.as_deref(), Some("[1]"));
    assert_eq!((state.status, state.age), (CacheStatus::Hit, 89_000));
    lab.clock.advance(1000);
    assert_eq!(get_for(&nrt, "k", Some(3600)).await, (None, CacheStatus::Miss));
    assert_eq!(names(&nrt, "").await, (vec!["l".to_owned()], CacheStatus::Hit));
}

#[tokio::test]
async fn a_bulk_read_is_as_stale_as_single_ones() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &options());
    put(&ams, "a", "1").await;
    let many = async |at: &Location, keys: &[&str]| {
        let entries = at.get_many(keys, None).await.unwrap();
        entries
            .into_iter()
            .map(|e| e.map(|e| String::from_utf8(e.value.to_vec()).unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(many(&nrt, &["a", "b", "a"]).await, [Some("1".to_owned()), None, Some("1".to_owned())]);
    put(&ams, "a", "2").await;
    put(&ams, "b", "2").await;
    assert_eq!(get(&nrt, "a").await, hit("1"));
    assert_eq!(many(&nrt, &["a", "b"]).await, [Some("1".to_owned()), None]);
    assert_eq!(many(&ams, &["a", "b"]).await, [Some("2".to_owned()), Some("2".to_owned())]);
    let refused = |error: selvedge_kv::Error| match error {
        selvedge_kv::Error::Refused(no) => no,
        other => panic!("{other}"),
    };
    let none: &[&str] = &[];
    assert_eq!(refused(nrt.get_many(none, None).await.unwrap_err()), Refusal::NoKeys);
    let too_many = nrt.get_many(&["k"; 101], None).await.unwrap_err();
    assert_eq!(refused(too_many), Refusal::TooManyKeys { most: 100 });
    assert_eq!(refused(nrt.get("", None).await.unwrap_err()), Refusal::EmptyKey);
}

#[tokio::test]
async fn listings_are_kept_by_page() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &options());
    for key in ["a1", "a2", "b1"] {
        put(&ams, key, "v").await;
    }
    assert_eq!(names(&nrt, "a").await, (vec!["a1".to_owned(), "a2".to_owned()], CacheStatus::Miss));
    ams.delete("a1").await.unwrap();
    assert_eq!(names(&nrt, "a").await, (vec!["a1".to_owned(), "a2".to_owned()], CacheStatus::Hit));
    assert_eq!(
        names(&nrt, "").await,
        (vec!["a2".to_owned(), "b1".to_owned()], CacheStatus::Miss),
        "another page"
    );
    assert_eq!(names(&ams, "a").await, (vec!["a2".to_owned()], CacheStatus::Miss));
    lab.clock.advance(60_000);
    assert_eq!(names(&nrt, "a").await, (vec!["a2".to_owned()], CacheStatus::Miss));
}

#[tokio::test]
async fn a_stale_large_value_stays_whole_and_goes_away_with_its_entry() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &options());
    let old = large(300_000);
    ams.put("k", old.clone(), &PutOptions::default()).await.unwrap();
    nrt.get("k", None).await.unwrap();
    put(&ams, "k", "small").await;
    lab.clean_up().await;
    for _ in 0..2 {
        let (entry, state) = nrt.get("k", None).await.unwrap();
        assert_eq!(state.status, CacheStatus::Hit);
        assert_eq!(entry.unwrap().value.into_bytes().await.unwrap(), old);
    }
    assert_eq!(lab.value_files(), 1, "kept for the location alone");
    lab.clock.advance(60_000);
    assert_eq!(get(&nrt, "k").await, miss("small"));
    assert_eq!(lab.value_files(), 0);
}

#[tokio::test]
async fn what_is_too_large_for_the_cache_is_read_from_the_namespace() {
    let lab = Lab::new().await;
    let (ams, nrt) = both(&lab, &EdgeOptions { cache_bytes: 200_000, ..options() });
    for size in [150_000, 160_000] {
        ams.put("k", large(size), &PutOptions::default()).await.unwrap();
        let (entry, state) = nrt.get("k", None).await.unwrap();
        assert_eq!((state.status, entry.unwrap().value.len()), (CacheStatus::Miss, size as u64));
    }
    lab.clean_up().await;
    assert_eq!(lab.value_files(), 1);
}

#[tokio::test]
async fn an_unknown_location_is_the_first() {
    let lab = Lab::new().await;
    let edge = Edge::new(lab.namespace.clone(), &options());
    put(&edge.at(Some("NRT")), "k", "v").await;
    assert_eq!(get(&edge.at(Some("XYZ")), "k").await, miss("v"));
    assert_eq!(get(&edge.at(None), "k").await, hit("v"));
    assert_eq!(get(&edge.at(Some("AMS")), "k").await, hit("v"));
}

#[derive(Clone, Debug)]
enum Step {
    Put { at: usize, key: usize, ttl: Option<i64> },
    Delete { at: usize, key: usize },
    Get { at: usize, key: usize, cache_ttl: Option<u64> },
    Bulk { at: usize, cache_ttl: Option<u64> },
    Advance { seconds: u64 },
}

const KEYS: [&str; 3] = ["a", "b", "c"];

fn steps() -> impl Strategy<Value = Step> {
    let lifetime = || prop::option::of(prop::sample::select(vec![30_u64, 45, 60, 200]));
    let ttl = prop::option::weighted(0.3, 60..150_i64);
    prop_oneof![
        3 => (0..3_usize, 0..3_usize, ttl).prop_map(|(at, key, ttl)| Step::Put { at, key, ttl }),
        1 => (0..3_usize, 0..3_usize).prop_map(|(at, key)| Step::Delete { at, key }),
        6 => (0..3_usize, 0..3_usize, lifetime()).prop_map(|(at, key, cache_ttl)| Step::Get { at, key, cache_ttl }),
        1 => (0..3_usize, lifetime()).prop_map(|(at, cache_ttl)| Step::Bulk { at, cache_ttl }),
        3 => (1..50_u64).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

/// A value, and when it expires.
type Held = Option<(String, Option<u64>)>;

/// One location as the documents describe it.
#[derive(Default)]
struct Model {
    /// By key: what was read, when, and for how long it may be used. In seconds.
    kept: HashMap<usize, (Held, u64, u64)>,
}

impl Model {
    fn get(
        &mut self,
        truth: &HashMap<usize, Held>,
        key: usize,
        now: u64,
        cache_ttl: Option<u64>,
    ) -> (Held, CacheStatus) {
        let asked = cache_ttl.unwrap_or(60);
        let live = |held: &Held| held.clone().filter(|(_, expires)| expires.is_none_or(|at| at > now));
        if let Some((held, since, lifetime)) = self.kept.get_mut(&key) {
            *lifetime = asked.min(*lifetime);
            if now < *since + *lifetime && live(held) == *held {
                return (held.clone(), CacheStatus::Hit);
            }
        }
        let held = truth.get(&key).and_then(live);
        self.kept.insert(key, (held.clone(), now, asked));
        (held, CacheStatus::Miss)
    }
}

async fn agrees(steps: Vec<Step>, own_writes_visible: bool) -> Result<(), TestCaseError> {
    let lab = Lab::new().await;
    let locations: Vec<String> = (0..3).map(|n| format!("L{n}")).collect();
    let edge = Edge::new(
        lab.namespace.clone(),
        &EdgeOptions { locations: locations.clone(), own_writes_visible, cache_bytes: 1 << 20 },
    );
    let at = |n: usize| edge.at(Some(&locations[n]));
    let mut truth: HashMap<usize, Held> = HashMap::new();
    let mut models = [Model::default(), Model::default(), Model::default()];
    let mut now = START;
    for (n, step) in steps.into_iter().enumerate() {
        match step {
            Step::Put { at: place, key, ttl } => {
                let value = format!("{n}");
                let options = PutOptions { expiration_ttl: ttl, ..PutOptions::default() };
                at(place).put(KEYS[key], value.clone(), &options).await.unwrap();
                truth.insert(key, Some((value, ttl.map(|ttl| now + ttl.unsigned_abs()))));
                if own_writes_visible {
                    models[place].kept.remove(&key);
                }
            }
            Step::Delete { at: place, key } => {
                at(place).delete(KEYS[key]).await.unwrap();
                truth.insert(key, None);
                if own_writes_visible {
                    models[place].kept.remove(&key);
                }
            }
            Step::Get { at: place, key, cache_ttl } => {
                let (held, status) = models[place].get(&truth, key, now, cache_ttl);
                let found = get_for(&at(place), KEYS[key], cache_ttl).await;
                prop_assert_eq!(found, (held.map(|(value, _)| value), status));
            }
            Step::Bulk { at: place, cache_ttl } => {
                let entries = at(place).get_many(&KEYS, cache_ttl).await.unwrap();
                for (key, entry) in entries.into_iter().enumerate() {
                    let (held, _) = models[place].get(&truth, key, now, cache_ttl);
                    let found = entry.map(|e| (String::from_utf8(e.value.to_vec()).unwrap(), e.expiration));
                    prop_assert_eq!(found, held);
                }
            }
            Step::Advance { seconds } => {
                lab.clock.advance(seconds * 1000);
                now += seconds;
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_location_answers_as_the_model_says(
        steps in prop::collection::vec(steps(), 1..60), own_writes_visible in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agrees(steps, own_writes_visible))?;
    }
}
