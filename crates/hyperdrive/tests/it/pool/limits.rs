use std::time::Duration;

use crate::support::pooler::{origin, wait_until};
use crate::support::{Pooler, Postgres};

#[test]
fn a_client_that_does_not_read_gets_no_more_than_fits_on_the_way() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let mut slow = pooler.connect();
    slow.send(b'Q', b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)\0");
    let mut passed = 0;
    wait_until(|| pooler.count(|c| &c.bytes_from_origin) > 100_000);
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = pooler.count(|c| &c.bytes_from_origin);
        if now == passed {
            break;
        }
        passed = now;
    }
    assert!(passed < 50_000_000, "{passed} bytes are on their way to somebody who does not read");
    assert_eq!(pooler.connect().column("SELECT 1"), ["1"], "others are served");
    assert_eq!(slow.read().rows.len(), 100_000);
    assert_eq!(slow.column("SELECT 1"), ["1"]);
}

#[test]
fn new_limits_hold_at_once_and_nobody_is_dropped() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 5);
    let mut clients: Vec<_> = (0..5).map(|_| pooler.connect()).collect();
    for wire in &mut clients {
        wire.query("BEGIN");
    }
    assert_eq!(pooler.server.pool().status().active, 5);
    let mut pool = (*pooler.server.pool().config()).clone();
    pool.max_connections = 2;
    pooler.server.reconfigure((*pooler.server.config()).clone(), pool);
    for wire in &mut clients {
        assert_eq!(wire.query("COMMIT").status, 'I');
    }
    pooler.settle();
    assert_eq!(pooler.server.pool().status().size(), 2);
    for wire in &mut clients {
        assert_eq!(wire.column("SELECT 1"), ["1"]);
    }
}

#[test]
fn a_new_origin_takes_over_between_transactions() {
    let (Some(old), Some(new)) = (Postgres::shared(), Postgres::own()) else { return };
    new.connect("postgres").query("CREATE TABLE only_here (a int)");
    let pooler = Pooler::new(&old, 2);
    let (mut inside, mut outside) = (pooler.connect(), pooler.connect());
    inside.query("BEGIN");
    let parsed = selvedge_hyperdrive::Origin::parse(&origin(&new, "postgres", "")).unwrap();
    pooler.server.replace_origin(parsed).unwrap();
    assert_eq!(outside.column("SELECT count(*) FROM only_here"), ["0"]);
    assert_eq!(inside.query("SELECT * FROM only_here").code(), "42P01");
    inside.query("ROLLBACK");
    assert_eq!(inside.column("SELECT count(*) FROM only_here"), ["0"]);
}

#[test]
fn draining_lets_transactions_end_and_tells_everybody_to_go() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let (mut idle, mut busy) = (pooler.connect(), pooler.connect());
    busy.query("BEGIN");
    let draining = std::thread::scope(|scope| {
        let draining = scope.spawn(|| pooler.block_on(pooler.server.drain(Duration::from_secs(20))));
        let reply = idle.read();
        assert_eq!((reply.code(), reply.status), ("57P01", 'X'));
        assert_eq!(busy.column("SELECT 1"), ["1"]);
        assert_eq!(busy.query("COMMIT").status, 'I');
        let reply = busy.read();
        assert_eq!((reply.code(), reply.status), ("57P01", 'X'));
        draining.join().unwrap()
    });
    assert_eq!(draining, 0);
    let (_, reply) =
        crate::support::Wire::start(pooler.port, 196_608, &["user", "someone", "database", "mine"]);
    assert_eq!(reply.code(), "57P01");
}
