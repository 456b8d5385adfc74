//! Many clients that do everything wrong. Every row carries its asker's nonce.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{MariaDb, Wish, eventually};
use crate::support::MySqlWire;

/// Seconds. Long when asked for.
fn length() -> Duration {
    let seconds = std::env::var("SELVEDGE_CHAOS_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    Duration::from_secs(seconds)
}

/// Numbers in no order, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// One client's life. Gives how many answers were its own.
fn live(port: u16, seed: u64, end: &AtomicBool) -> u64 {
    let mut dice = Dice(seed);
    let mut answers = 0;
    'again: while !end.load(Ordering::Relaxed) {
        let Ok(mut client) = MySqlWire::connect(port, "me", "secret", "shop") else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let me = format!("{seed}-{answers}-{}", dice.roll(1 << 30));
        client.send(0, b"\x16SELECT ?, seq FROM seq_1_to_40");
        let Some((first, _)) = client.try_packet() else { continue };
        if first[0] != 0 || (0..5).any(|_| client.try_packet().is_none()) {
            continue;
        }
        let statement = u32::from_le_bytes([first[1], first[2], first[3], first[4]]);
        let mut bound = false;
        for turn in 0..dice.roll(30) {
            let nonce = format!("{me}-{turn}");
            let mine = format!("'{nonce}'");
            match dice.roll(9) {
                0 => {
                    // Gone before the answer, or in its middle.
                    client.send(
                        0,
                        format!("\x03SELECT {mine}, REPEAT('x', 100000) FROM seq_1_to_50").as_bytes(),
                    );
                    if dice.roll(2) == 0 && client.try_packet().is_some_and(|(packet, _)| packet[0] != 0xff) {
                        let _ = client.try_packet();
                    }
                    continue 'again;
                }
                1 => {
                    client.send(0, format!("\x03SELECT {mine}, SLEEP(5)").as_bytes());
                    std::thread::sleep(Duration::from_millis(dice.roll(5)));
                    continue 'again;
                }
                2 => {
                    if !is_ok(&mut client, "BEGIN") {
                        continue 'again;
                    }
                    if !is_ok(&mut client, &format!("SET @a = {mine}")) {
                        continue 'again;
                    }
                    if dice.roll(2) == 0 {
                        continue 'again;
                    }
                    let Some(reply) = answer(&mut client, "SELECT @a") else { continue 'again };
                    assert_eq!(reply, nonce, "another's variable");
                    if !is_ok(&mut client, "ROLLBACK") {
                        continue 'again;
                    }
                }
                3 => {
                    client.send(0, &crate::support::execution(statement, &[&nonce], !bound, 0));
                    bound = true;
                    let Some(rows) = results(&mut client, true) else { continue 'again };
                    for row in rows {
                        let text = String::from_utf8_lossy(&row).into_owned();
                        assert!(text.contains(&nonce), "{nonce} got {text}");
                    }
                }
                _ => {
                    let sql = format!("SELECT {mine} FROM seq_1_to_{}", 1 + dice.roll(300));
                    let Some(reply) = answer(&mut client, &sql) else { continue 'again };
                    assert_eq!(reply, nonce, "another's row");
                }
            }
            answers += 1;
        }
    }
    answers
}

fn is_ok(client: &mut MySqlWire, sql: &str) -> bool {
    client.send(0, format!("\x03{sql}").as_bytes());
    client.try_packet().is_some_and(|(packet, _)| packet.first() == Some(&0))
}

/// The first value; `None` when the connection broke or the origin would not.
fn answer(client: &mut MySqlWire, sql: &str) -> Option<String> {
    client.send(0, format!("\x03{sql}").as_bytes());
    let rows = results(client, false)?;
    let row = rows.first()?;
    Some(String::from_utf8_lossy(&row[1..]).into_owned())
}

fn results(client: &mut MySqlWire, binary: bool) -> Option<Vec<Vec<u8>>> {
    let (first, _) = client.try_packet()?;
    if first[0] == 0xff {
        return None;
    }
    let mut ends = 0;
    let mut rows = Vec::new();
    while ends < 2 {
        let (packet, _) = client.try_packet()?;
        match packet.first() {
            Some(0xfe) if packet.len() < 9 => ends += 1,
            Some(0xff) => return None,
            _ if ends == 1 => {
                assert!(!binary || packet[0] == 0, "a row of the text protocol in a binary answer");
                rows.push(packet);
            }
            _ => {}
        }
    }
    Some(rows)
}

#[test]
fn every_row_belongs_to_who_asked_for_it_whatever_happens() {
    let Some(database) = MariaDb::start(&[]) else { return };
    let mut wish = Wish::to(&database).connections(8);
    wish.pool.statement_timeout = Some(Duration::from_secs(2));
    wish.pool.acquire_timeout = Duration::from_secs(5);
    let pooled = wish.start();
    let end = Arc::new(AtomicBool::new(false));
    let total = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for seed in 0..40 {
            let (port, end, total) = (pooled.port, Arc::clone(&end), &total);
            scope.spawn(move || total.fetch_add(live(port, seed, &end), Ordering::Relaxed));
        }
        let mut killer = database.direct();
        while started.elapsed() < length() {
            std::thread::sleep(Duration::from_millis(50));
            let victims = killer.query("SELECT id FROM information_schema.processlist WHERE user = 'app' AND id <> CONNECTION_ID() ORDER BY RAND() LIMIT 1");
            for row in victims.rows {
                killer.query(&format!("KILL {}", row[0].as_deref().unwrap_or("0")));
            }
        }
        end.store(true, Ordering::Relaxed);
    });
    assert!(total.into_inner() > 100, "hardly anything was answered");
    eventually("everything is given back", || pooled.active() == 0 && pooled.server.clients() == 0);
    assert!(pooled.open() <= 8);
    let mut direct = database.direct();
    eventually("nothing is left at the origin", || {
        let left = direct.value("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app' AND id <> CONNECTION_ID()");
        left.parse::<usize>().unwrap() <= pooled.open()
    });
    let mismatches: u64 =
        pooled.server.pools().map(|pool| pool.counters().protocol_mismatches.load(Ordering::Relaxed)).sum();
    assert_eq!(mismatches, 0);
}
