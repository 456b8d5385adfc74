use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::{Instant, advance, pause, sleep};

use super::*;

/// An origin that can be told to fail; a connection is its serial number.
#[derive(Default)]
struct Origin {
    opened: AtomicUsize,
    open: Arc<AtomicUsize>,
    down: AtomicBool,
    wrong_password: AtomicBool,
    hangs: AtomicBool,
}

struct Connection {
    number: usize,
    dead: bool,
    open: Arc<AtomicUsize>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct To(Arc<Origin>);

impl Connect for To {
    type Connection = Connection;
    type Error = &'static str;
    type Kind = ();

    fn plain(&self) {}

    async fn connect(&self, (): &()) -> Result<Connection, &'static str> {
        sleep(Duration::from_millis(1)).await;
        if self.0.hangs.load(Ordering::SeqCst) {
            sleep(Duration::from_hours(1)).await;
        }
        if self.0.wrong_password.load(Ordering::SeqCst) {
            return Err("wrong password");
        }
        if self.0.down.load(Ordering::SeqCst) {
            return Err("connection refused");
        }
        self.0.open.fetch_add(1, Ordering::SeqCst);
        let number = self.0.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Connection { number, dead: false, open: Arc::clone(&self.0.open) })
    }

    fn timed_out(&self) -> &'static str {
        "too slow"
    }

    fn is_permanent(error: &&'static str) -> bool {
        *error == "wrong password"
    }

    fn is_alive(connection: &mut Connection) -> bool {
        !connection.dead
    }

    fn close(_: Connection) {}
}

fn pool(max: usize) -> (Arc<Origin>, Pool<To>) {
    pause();
    let origin = Arc::new(Origin::default());
    let config = PoolConfig { max_connections: max, ..PoolConfig::default() };
    (Arc::clone(&origin), Pool::new(To(origin), config))
}

#[tokio::test]
async fn what_is_given_back_is_used_again_and_what_is_dropped_is_closed() {
    let (origin, pool) = pool(5);
    pool.acquire(&()).await.unwrap().give_back();
    let lease = pool.acquire(&()).await.unwrap();
    assert_eq!((lease.number, pool.status().active), (0, 1));
    drop(lease);
    assert_eq!((origin.open.load(Ordering::SeqCst), pool.status().size()), (0, 0));
    assert_eq!(pool.acquire(&()).await.unwrap().number, 1);
    assert_eq!(Counters::get(&pool.counters().connections_discarded), 2);
}

#[tokio::test]
async fn who_waits_longest_is_first_and_nobody_overtakes() {
    let (origin, pool) = pool(1);
    let lease = pool.acquire(&()).await.unwrap();
    let (first, second) = (pool.enqueue(()).unwrap(), pool.enqueue(()).unwrap());
    let third = pool.enqueue(()).unwrap();
    assert_eq!(pool.status().waiting, 3);
    drop(second);
    assert_eq!(pool.status().waiting, 2);
    lease.give_back();
    assert!(pool.try_acquire(&()).is_none(), "the first in the queue has it");
    first.await.unwrap().give_back();
    third.await.unwrap().give_back();
    assert_eq!(origin.opened.load(Ordering::SeqCst), 1);
    assert_eq!(pool.status().idle, 1);
}

#[tokio::test]
async fn a_connection_for_somebody_who_left_goes_to_the_next() {
    let (origin, pool) = pool(1);
    let lease = pool.acquire(&()).await.unwrap();
    let ticket = pool.enqueue(()).unwrap();
    lease.give_back();
    drop(ticket);
    assert_eq!((pool.status().idle, pool.status().active), (1, 0));
    assert_eq!(origin.open.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_maximum_holds_under_a_crowd_and_everybody_is_served() {
    let (origin, pool) = pool(7);
    let most = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..200)
        .map(|i| {
            let (pool, origin, most) = (pool.clone(), Arc::clone(&origin), Arc::clone(&most));
            tokio::spawn(async move {
                for round in 0..20 {
                    let lease = pool.acquire(&()).await.unwrap();
                    most.fetch_max(origin.open.load(Ordering::SeqCst), Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    if (i + round) % 13 == 0 {
                        drop(lease);
                    } else {
                        lease.give_back();
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 7);
    let status = pool.status();
    assert_eq!((status.active, status.waiting), (0, 0));
    assert_eq!(status.idle, origin.open.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_queue_is_bounded_and_its_patience_too() {
    let (_, pool) = pool(1);
    let lease = pool.acquire(&()).await.unwrap();
    pool.reconfigure(PoolConfig { max_connections: 1, max_waiting: 2, ..PoolConfig::default() });
    let (first, _second) = (pool.enqueue(()).unwrap(), pool.enqueue(()).unwrap());
    assert!(matches!(pool.enqueue(()), Err(AcquireError::QueueFull { waiting: 2 })));
    assert!(matches!(first.await, Err(AcquireError::Timeout { last: None, .. })));
    assert_eq!(pool.status().waiting, 0, "the second has waited as long");
    lease.give_back();
}

#[tokio::test]
async fn an_origin_that_comes_back_serves_those_who_waited() {
    let (origin, pool) = pool(5);
    origin.down.store(true, Ordering::SeqCst);
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.acquire(&()).await.map(Lease::give_back).is_ok() })
        })
        .collect();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(pool.status().connecting, 1, "one that tries is enough");
    assert_eq!(pool.status().waiting, 20);
    origin.down.store(false, Ordering::SeqCst);
    for client in clients {
        assert!(client.await.unwrap());
    }
}

#[tokio::test]
async fn an_origin_that_stays_away_is_reported_with_the_reason() {
    let (origin, pool) = pool(5);
    origin.down.store(true, Ordering::SeqCst);
    let Err(AcquireError::Timeout { last: Some(last), waited }) = pool.acquire(&()).await else { panic!() };
    assert_eq!(*last, "connection refused");
    assert!(waited >= Duration::from_secs(15));
    origin.down.store(false, Ordering::SeqCst);
    origin.hangs.store(true, Ordering::SeqCst);
    let pool = Pool::new(
        To(origin),
        PoolConfig { connect_timeout: Duration::from_secs(5), ..PoolConfig::default() },
    );
    let Err(AcquireError::Timeout { last: Some(last), .. }) = pool.acquire(&()).await else { panic!() };
    assert_eq!(*last, "too slow");
}

#[tokio::test]
async fn a_refusal_reaches_everybody_at_once_and_is_not_asked_for_again_at_once() {
    let (origin, pool) = pool(5);
    origin.wrong_password.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let (one, two) = tokio::join!(pool.acquire(&()), pool.acquire(&()));
    assert!(matches!(one, Err(AcquireError::Refused(_))) && matches!(two, Err(AcquireError::Refused(_))));
    assert!(start.elapsed() < Duration::from_secs(1));
    let tried = Counters::get(&pool.counters().connects_failed);
    assert!(matches!(pool.acquire(&()).await, Err(AcquireError::Refused(_))));
    assert_eq!(Counters::get(&pool.counters().connects_failed), tried);
    origin.wrong_password.store(false, Ordering::SeqCst);
    advance(Duration::from_secs(1)).await;
    pool.acquire(&()).await.unwrap().give_back();
}

#[tokio::test]
async fn what_lies_idle_for_too_long_is_closed_down_to_the_minimum() {
    let (origin, pool) = pool(5);
    let taken = tokio::join!(pool.acquire(&()), pool.acquire(&()), pool.acquire(&()));
    taken.0.unwrap().give_back();
    taken.1.unwrap().give_back();
    taken.2.unwrap().give_back();
    pool.reconfigure(PoolConfig { min_connections: 1, max_lifetime: None, ..PoolConfig::default() });
    sleep(Duration::from_secs(599)).await;
    assert_eq!(origin.open.load(Ordering::SeqCst), 3);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(origin.open.load(Ordering::SeqCst), 1);
    assert_eq!(origin.opened.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_died_idle_is_never_handed_out() {
    let (_, pool) = pool(5);
    let mut lease = pool.acquire(&()).await.unwrap();
    lease.dead = true;
    lease.give_back();
    assert_eq!(pool.acquire(&()).await.unwrap().number, 1);
    assert_eq!(Counters::get(&pool.counters().connections_lost), 1);
}

#[tokio::test]
async fn a_restart_and_a_smaller_maximum_close_what_is_idle_now_and_what_is_taken_later() {
    let (origin, pool) = pool(5);
    let (one, two) = tokio::join!(pool.acquire(&()), pool.acquire(&()));
    two.unwrap().give_back();
    pool.restart();
    assert_eq!(origin.open.load(Ordering::SeqCst), 1);
    one.unwrap().give_back();
    assert_eq!(origin.open.load(Ordering::SeqCst), 0);

    let (one, two, three) = tokio::join!(pool.acquire(&()), pool.acquire(&()), pool.acquire(&()));
    three.unwrap().give_back();
    pool.reconfigure(PoolConfig { max_connections: 1, ..PoolConfig::default() });
    assert_eq!(origin.open.load(Ordering::SeqCst), 2);
    one.unwrap().give_back();
    two.unwrap().give_back();
    assert_eq!(origin.open.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn draining_lets_those_inside_finish_and_nobody_in() {
    let (origin, pool) = pool(5);
    let lease = pool.acquire(&()).await.unwrap();
    assert_eq!(pool.drain(Duration::from_secs(1)).await, 1);
    assert!(matches!(pool.acquire(&()).await, Err(AcquireError::Draining)));
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain(Duration::from_hours(1)).await }
    });
    sleep(Duration::from_secs(1)).await;
    lease.give_back();
    assert_eq!(waiting.await.unwrap(), 0);
    assert_eq!(origin.open.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_statement_and_an_idle_transaction_are_judged_by_their_own_limits() {
    let (_, pool) = pool(5);
    let lease = pool.acquire(&()).await.unwrap();
    let verdict =
        async || std::future::poll_fn(|cx| std::task::Poll::Ready(lease.activity().poll_verdict(cx))).await;
    lease.activity().running();
    sleep(Duration::from_secs(59)).await;
    assert_eq!(verdict().await, None);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(verdict().await, Some(Verdict::StatementTimeout));
    assert_eq!(verdict().await, None, "told once");
    lease.activity().waiting_for_client();
    sleep(Duration::from_secs(250)).await;
    assert_eq!(verdict().await, None);
    let woken = async {
        std::future::poll_fn(|cx| match lease.activity().poll_verdict(cx) {
            Some(verdict) => std::task::Poll::Ready(verdict),
            None => std::task::Poll::Pending,
        })
        .await
    };
    assert_eq!(woken.await, Verdict::IdleTransaction);
    lease.give_back();
}

#[test]
fn a_runtime_that_shuts_down_is_not_held_up_by_connections_that_are_missing_then() {
    let (ended, end) = std::sync::mpsc::channel();
    // In a thread of its own: it would hang.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config = PoolConfig { min_connections: 1, ..PoolConfig::default() };
            let pool = Pool::new(To(Arc::new(Origin::default())), config);
            let lease = pool.acquire(&()).await.unwrap();
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(lease);
            });
            tokio::task::yield_now().await;
        });
        drop(runtime);
        ended.send(()).unwrap();
    });
    end.recv_timeout(Duration::from_secs(30)).expect("the pool hangs in the lock that it holds");
}
