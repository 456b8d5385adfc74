use std::sync::Arc;

use selvedge_base::{ManualClock, Millis};

use super::*;

struct Lab {
    clock: Arc<ManualClock>,
    cache: Arc<QueryCache>,
}

fn lab(limit: usize, settings: CacheSettings) -> Lab {
    let clock = ManualClock::at(Millis(1_000_000));
    let store = CacheStore::new(limit, clock.clone());
    Lab { clock, cache: QueryCache::new(store, settings) }
}

fn session(database: &str, role: &str, parameters: &[(&str, &str)]) -> Session {
    Session::new(Dialect::Postgres, database, role, parameters.iter().copied())
}

fn statement(sql: &str) -> Statement {
    match classify(sql.as_bytes(), Dialect::Postgres) {
        Verdict::Cacheable(statement) => statement,
        Verdict::Uncacheable(reason) => panic!("{reason}"),
    }
}

fn key(sql: &str) -> Key {
    KeyBuilder::new(&session("db", "me", &[]), &statement(sql), Form::PostgresSimple).finish().unwrap()
}

fn bytes(answer: &Answer) -> Vec<u8> {
    answer.chunks().concat()
}

fn fill(lab: &Lab, key: &Key, answer: &[u8]) {
    let Lookup::Miss(mut fill) = lab.cache.lookup(key.clone()) else { panic!("not a miss") };
    fill.push(answer);
    fill.finish();
}

#[test]
fn an_answer_is_given_again_then_stale_with_one_refresher_then_no_more() {
    let lab = lab(1 << 20, CacheSettings::default());
    let key = key("SELECT 1");
    fill(&lab, &key, b"one");
    lab.clock.advance(59_999);
    assert!(matches!(lab.cache.lookup(key.clone()), Lookup::Hit(answer) if bytes(&answer) == b"one"));
    lab.clock.advance(1);
    let Lookup::Stale(answer, Some(refresher)) = lab.cache.lookup(key.clone()) else { panic!() };
    assert_eq!(bytes(&answer), b"one");
    assert!(matches!(lab.cache.lookup(key.clone()), Lookup::Stale(_, None)), "a second refresher");
    drop(refresher);
    let Lookup::Stale(_, Some(mut refresher)) = lab.cache.lookup(key.clone()) else {
        panic!("nobody may refresh")
    };
    lab.clock.advance(100);
    refresher.push(b"two");
    refresher.finish();
    assert!(matches!(lab.cache.lookup(key.clone()), Lookup::Hit(answer) if bytes(&answer) == b"two"));
    lab.clock.advance(75_000);
    assert!(matches!(lab.cache.lookup(key), Lookup::Miss(_)));
    let counters = lab.cache.counters();
    assert_eq!((counters.hit, counters.stale, counters.miss, counters.stored), (2, 3, 2, 2));
    assert_eq!(counters.hit_bytes, 15);
}

#[test]
fn age_counts_from_the_question_and_a_clock_set_back_makes_nothing_younger() {
    let lab = lab(1 << 20, CacheSettings::default());
    let key = key("SELECT 1");
    let Lookup::Miss(mut slow) = lab.cache.lookup(key.clone()) else { panic!() };
    lab.clock.advance(60_000);
    slow.push(b"old");
    slow.finish();
    assert!(matches!(lab.cache.lookup(key.clone()), Lookup::Stale(..)));

    let earlier = ManualClock::at(Millis(500));
    let store = CacheStore::new(1 << 20, earlier.clone());
    let cache = QueryCache::new(store, CacheSettings::default());
    let Lookup::Miss(fill) = cache.lookup(key.clone()) else { panic!() };
    fill.finish();
    earlier.advance(u64::MAX - 499 - 400);
    assert!(matches!(cache.lookup(key), Lookup::Miss(_)));
}

#[test]
fn a_slow_old_answer_does_not_replace_a_newer_one() {
    let lab = lab(1 << 20, CacheSettings::default());
    let key = key("SELECT 1");
    let Lookup::Miss(mut slow) = lab.cache.lookup(key.clone()) else { panic!() };
    slow.push(b"old");
    lab.clock.advance(10);
    fill(&lab, &key, b"new");
    slow.finish();
    assert!(matches!(lab.cache.lookup(key), Lookup::Hit(answer) if bytes(&answer) == b"new"));
}

#[test]
fn what_is_dropped_or_too_large_leaves_nothing() {
    let lab = lab(1 << 20, CacheSettings { answer_bytes: 10, ..CacheSettings::default() });
    let key = key("SELECT 1");
    let Lookup::Miss(mut lost) = lab.cache.lookup(key.clone()) else { panic!() };
    lost.push(b"half");
    drop(lost);
    let Lookup::Miss(mut large) = lab.cache.lookup(key.clone()) else { panic!() };
    large.push(&[0; 8]);
    assert!(large.is_open());
    large.push(&[0; 8]);
    assert!(!large.is_open());
    large.finish();
    assert!(matches!(lab.cache.lookup(key), Lookup::Miss(_)));
    assert_eq!((lab.cache.store().entries(), lab.cache.store().bytes()), (0, 0));
    assert_eq!(lab.cache.counters().too_large, 1);
    assert!(lab.cache.store().reserve(1 << 19), "bytes of lost answers are still reserved");
}

#[test]
fn the_budget_holds_and_what_is_asked_for_outlives_what_is_not() {
    let lab = lab(100_000, CacheSettings::default());
    let hot = key("SELECT 'hot'");
    fill(&lab, &hot, &[1; 1000]);
    for n in 0..1000 {
        fill(&lab, &key(&format!("SELECT {n}")), &[2; 1000]);
        assert!(lab.cache.store().bytes() <= 100_000);
        assert!(matches!(lab.cache.lookup(hot.clone()), Lookup::Hit(_)), "the hot one went after {n}");
    }
    assert!(lab.cache.store().entries() > 50);
    assert!(lab.cache.store().evicted() > 800);
    assert!(matches!(lab.cache.lookup(key("SELECT 3")), Lookup::Miss(_)));
}

#[test]
fn answers_on_their_way_are_bounded_too() {
    let lab = lab(100_000, CacheSettings::default());
    let mut fills: Vec<Fill> = (0..10)
        .map(|n| match lab.cache.lookup(key(&format!("SELECT {n}"))) {
            Lookup::Miss(fill) => fill,
            _ => panic!(),
        })
        .collect();
    for fill in &mut fills {
        fill.push(&vec![0; 20_000]);
    }
    assert_eq!(fills.iter().filter(|fill| fill.is_open()).count(), 2);
}

#[test]
fn large_answers_come_back_byte_for_byte() {
    let lab = lab(1 << 24, CacheSettings::default());
    let key = key("SELECT 1");
    let Lookup::Miss(mut fill) = lab.cache.lookup(key.clone()) else { panic!() };
    let mut whole = Vec::new();
    for size in [1, 70_000, 30_000, 40_000, 0, 65_536, 3, 65_535] {
        let part: Vec<u8> = (0..size).map(|n| u8::try_from((n * 7 + size) % 251).unwrap()).collect();
        fill.push(&part);
        whole.extend_from_slice(&part);
    }
    fill.finish();
    let Lookup::Hit(answer) = lab.cache.lookup(key) else { panic!() };
    assert_eq!(answer.len(), whole.len());
    assert!(bytes(&answer) == whole);
}

#[test]
fn a_purge_and_a_disabling_forget_everything_even_what_is_on_its_way() {
    let lab = lab(1 << 20, CacheSettings::default());
    let (kept, coming) = (key("SELECT 1"), key("SELECT 2"));
    fill(&lab, &kept, b"x");
    let Lookup::Miss(on_its_way) = lab.cache.lookup(coming.clone()) else { panic!() };
    lab.cache.purge();
    on_its_way.finish();
    assert!(matches!(lab.cache.lookup(kept.clone()), Lookup::Miss(_)));
    assert!(matches!(lab.cache.lookup(coming), Lookup::Miss(_)));
    fill(&lab, &kept, b"x");
    lab.cache.set_settings(CacheSettings { enabled: false, ..CacheSettings::default() });
    assert!(!lab.cache.enabled());
    lab.cache.set_settings(CacheSettings::default());
    assert!(matches!(lab.cache.lookup(kept), Lookup::Miss(_)));
}

#[test]
fn configurations_share_bytes_but_not_answers() {
    let lab = lab(1 << 20, CacheSettings::default());
    let other = QueryCache::new(Arc::clone(lab.cache.store()), CacheSettings::default());
    fill(&lab, &key("SELECT 1"), b"x");
    assert!(matches!(other.lookup(key("SELECT 1")), Lookup::Miss(_)));
    assert_eq!(other.store().entries(), 1);
}

#[test]
fn whatever_changes_an_answer_changes_its_key() {
    let make =
        |session: &Session, sql: &str, form: Form, parameters: &[(u32, i16, Option<&[u8]>)], part: &[u8]| {
            let mut builder = KeyBuilder::new(session, &statement(sql), form);
            for &(kind, format, value) in parameters {
                builder.parameter(kind, format, value);
            }
            builder.part(part);
            builder.finish().unwrap()
        };
    let me = session("db", "me", &[("TimeZone", "UTC"), ("DateStyle", "ISO")]);
    let simple = Form::PostgresSimple;
    let one: &[(u32, i16, Option<&[u8]>)] = &[(25, 0, Some(b"1"))];
    let keys = [
        make(&me, "SELECT $1", simple, one, b""),
        make(
            &session("db", "you", &[("timezone", "UTC"), ("datestyle", "ISO")]),
            "SELECT $1",
            simple,
            one,
            b"",
        ),
        make(
            &session("db2", "me", &[("timezone", "UTC"), ("datestyle", "ISO")]),
            "SELECT $1",
            simple,
            one,
            b"",
        ),
        make(
            &session("db", "me", &[("timezone", "CET"), ("datestyle", "ISO")]),
            "SELECT $1",
            simple,
            one,
            b"",
        ),
        make(&session("db", "me", &[("timezone", "UTC")]), "SELECT $1", simple, one, b""),
        make(&me, "SELECT $2", simple, one, b""),
        make(&me, "SELECT $1", Form::PostgresExtended, one, b""),
        make(&me, "SELECT $1", Form::PostgresDescribed, one, b""),
        make(&me, "SELECT $1", simple, &[(23, 0, Some(b"1"))], b""),
        make(&me, "SELECT $1", simple, &[(25, 1, Some(b"1"))], b""),
        make(&me, "SELECT $1", simple, &[(25, 0, Some(b"2"))], b""),
        make(&me, "SELECT $1", simple, &[(25, 0, Some(b""))], b""),
        make(&me, "SELECT $1", simple, &[(25, 0, None)], b""),
        make(&me, "SELECT $1", simple, &[], b""),
        make(&me, "SELECT $1", simple, &[(25, 0, Some(b"1")), (25, 0, None)], b""),
        make(&me, "SELECT $1", simple, one, b"\x01"),
    ];
    for (n, key) in keys.iter().enumerate() {
        assert!(keys.iter().skip(n + 1).all(|other| other != key), "key {n} is not alone");
    }
    let again = session("db", "me", &[("datestyle", "ISO"), ("timezone", "UTC")]);
    assert_eq!(make(&again, "SELECT $1", simple, one, b""), keys[0]);
}

#[test]
fn parameters_that_name_the_clock_and_sessions_that_read_otherwise_have_no_key() {
    let build = |session: &Session, value: &[u8]| {
        let mut builder =
            KeyBuilder::new(session, &statement("SELECT $1::timestamptz"), Form::PostgresExtended);
        builder.parameter(1184, 0, Some(value));
        builder.finish()
    };
    let plain = session("db", "me", &[("client_encoding", "UTF8"), ("standard_conforming_strings", "on")]);
    assert!(build(&plain, b"2020-01-01").is_ok());
    for clock in [b"now".as_slice(), b" TODAY 10:00", b"{2020-01-01,n\\ow}"] {
        assert_eq!(build(&plain, clock).unwrap_err(), Reason::Clock);
    }
    assert_eq!(build(&plain, &vec![b'x'; 70_000]).unwrap_err(), Reason::TooLarge);
    for (name, value) in [("client_encoding", "SJIS"), ("standard_conforming_strings", "off")] {
        assert!(matches!(build(&session("db", "me", &[(name, value)]), b"1"), Err(Reason::Session(_))));
    }
}

#[test]
fn a_catalog_is_due_once_a_minute_and_speaks_of_names_at_any_place() {
    let lab = lab(1 << 20, CacheSettings::default());
    assert!(lab.cache.catalog_is_due());
    assert!(!lab.cache.catalog_is_due());
    lab.clock.advance(60_000);
    assert!(lab.cache.catalog_is_due());
    let reads = statement("SELECT a FROM x.over JOIN t USING (a)");
    assert!(lab.cache.allows(&reads).is_ok());
    let mut catalog = Catalog::new(Dialect::Postgres);
    catalog.add("view", "over", Some("SELECT * FROM under"));
    catalog.add("view", "t", Some(" SELECT 1 AS a;"));
    catalog.add("view", "under", Some("SELECT now()"));
    lab.cache.set_catalog(catalog.finish());
    assert_eq!(lab.cache.allows(&reads), Err(Reason::Suspect("over".into())));
    assert!(lab.cache.allows(&statement("SELECT a FROM t")).is_ok());
}

#[test]
fn a_cache_that_is_gone_leaves_its_memory_to_the_others() {
    let lab = lab(1 << 20, CacheSettings::default());
    let store = Arc::clone(lab.cache.store());
    let other = QueryCache::new(Arc::clone(&store), CacheSettings::default());
    fill(&lab, &key("SELECT 1"), b"one");
    fill(&Lab { clock: Arc::clone(&lab.clock), cache: Arc::clone(&other) }, &key("SELECT 1"), b"other");
    assert_eq!(store.entries(), 2);
    drop(lab);
    assert_eq!(store.entries(), 1);
    assert!(matches!(other.lookup(key("SELECT 1")), Lookup::Hit(answer) if bytes(&answer) == b"other"));
}
