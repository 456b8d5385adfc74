use std::time::Duration;

use tokio::time::{Instant, pause, sleep};

use super::super::{AcquireError, Connect, Counters, Fit, Pool, PoolConfig};

/// A letter is a kind. A capital one wants nothing else, `!` cannot be had, `?` not now, and a connection of the kind `-` is of use
/// to everybody who is not particular.
struct Letters;

/// The kind a connection was opened as.
struct Letter(char);

impl Connect for Letters {
    type Connection = Letter;
    type Error = &'static str;
    type Kind = char;

    fn plain(&self) -> char {
        '-'
    }

    fn fit(of: &char, wanted: &char) -> Fit {
        match (of, wanted) {
            _ if of.eq_ignore_ascii_case(wanted) => Fit::Exact,
            ('-', '?' | 'a'..='z') => Fit::Usable,
            _ => Fit::No,
        }
    }

    async fn connect(&self, kind: &char) -> Result<Letter, &'static str> {
        sleep(Duration::from_millis(1)).await;
        match kind {
            '!' => Err("no such kind"),
            '?' => Err("not now"),
            kind => Ok(Letter(*kind)),
        }
    }

    fn timed_out(&self) -> &'static str {
        "too slow"
    }

    fn is_permanent(error: &&'static str) -> bool {
        *error != "not now"
    }

    fn is_about_kind(error: &&'static str) -> bool {
        *error == "no such kind"
    }

    fn is_alive(_: &mut Letter) -> bool {
        true
    }

    fn close(_: Letter) {}
}

fn pool(max: usize) -> Pool<Letters> {
    pause();
    Pool::new(Letters, PoolConfig { max_connections: max, ..PoolConfig::default() })
}

async fn visit(pool: &Pool<Letters>, kind: char) -> char {
    let lease = pool.acquire(&kind).await.unwrap();
    let found = lease.0;
    lease.give_back();
    found
}

#[tokio::test]
async fn with_room_everybody_gets_their_own_kind_and_gets_it_again() {
    let pool = pool(3);
    for kind in ['a', 'B', 'c', 'a', 'B', 'c'] {
        assert_eq!(visit(&pool, kind).await, kind);
    }
    assert_eq!(Counters::get(&pool.counters().connections_opened), 3);
}

#[tokio::test]
async fn without_room_who_is_not_particular_shares_and_who_is_has_another_closed() {
    let pool = pool(2);
    assert_eq!((visit(&pool, 'A').await, visit(&pool, 'b').await), ('A', 'b'));
    // Instead of A, and for everybody from then on.
    for kind in ['c', 'd', 'e'] {
        assert_eq!(visit(&pool, kind).await, '-');
    }
    assert_eq!(visit(&pool, 'b').await, 'b');
    assert_eq!(Counters::get(&pool.counters().connections_opened), 3);
    assert_eq!(visit(&pool, 'A').await, 'A');
    assert_eq!((pool.status().size(), Counters::get(&pool.counters().connections_retired)), (2, 2));
}

#[tokio::test]
async fn nobody_is_passed_over_for_wanting_something_rare() {
    let pool = pool(1);
    let lease = pool.acquire(&'a').await.unwrap();
    let (rare, usual) = (pool.enqueue('R').unwrap(), pool.enqueue('a').unwrap());
    lease.give_back();
    let lease = rare.await.unwrap();
    assert_eq!((lease.0, pool.status().waiting), ('R', 1));
    lease.give_back();
    assert_eq!(usual.await.unwrap().0, '-', "one that others can use too");
}

#[tokio::test]
async fn what_lies_idle_for_others_is_not_in_the_way_of_the_limits() {
    let pool = pool(4);
    for kind in ['A', 'B', 'C', 'D', 'E', 'F'] {
        assert_eq!(visit(&pool, kind).await, kind);
        assert!(pool.status().size() <= 4);
    }
    let all: Vec<_> = "AaBbXxYyxyab"
        .chars()
        .map(|kind| {
            tokio::spawn({
                let pool = pool.clone();
                async move {
                    for _ in 0..50 {
                        let lease = pool.acquire(&kind).await.unwrap();
                        assert_ne!(Letters::fit(&lease.0, &kind), Fit::No);
                        assert!(pool.status().size() <= 4);
                        tokio::task::yield_now().await;
                        lease.give_back();
                    }
                }
            })
        })
        .collect();
    for client in all {
        client.await.unwrap();
    }
    assert_eq!((pool.status().active, pool.status().waiting), (0, 0));
}

#[tokio::test]
async fn a_kind_that_cannot_be_had_is_its_askers_trouble_alone() {
    let pool = pool(2);
    let (bad, good) = tokio::join!(pool.acquire(&'!'), pool.acquire(&'a'));
    assert!(matches!(bad, Err(AcquireError::Unfit(_))));
    good.unwrap().give_back();
    assert_eq!(visit(&pool, 'B').await, 'B');
    // Even when one has to be closed for the attempt.
    assert!(matches!(pool.acquire(&'!').await, Err(AcquireError::Unfit(_))));
    assert_eq!((visit(&pool, 'a').await, visit(&pool, 'B').await), ('a', 'B'));
}

#[tokio::test]
async fn who_cannot_have_their_own_takes_what_is_there() {
    let pool = pool(2);
    pool.acquire(&'-').await.unwrap().give_back();
    let start = Instant::now();
    assert_eq!(visit(&pool, '?').await, '-');
    assert!(start.elapsed() < Duration::from_secs(1), "the origin is not asked again and again first");
}

#[tokio::test]
async fn the_place_of_an_attempt_that_failed_goes_to_the_next() {
    let pool = pool(1);
    let start = Instant::now();
    let (bad, good) = tokio::join!(pool.acquire(&'!'), pool.acquire(&'A'));
    assert!(bad.is_err());
    good.unwrap().give_back();
    assert!(start.elapsed() < Duration::from_millis(50), "not only when the janitor comes");
}
