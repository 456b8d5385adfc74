//! What a client does to a pool: everything, and much of it wrong. Every row it gets must be its own.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::client::{Answer, Client, cancel};
use crate::support::message;

/// What came of a client's life.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows: u64,
    /// Rows that were another's, or not in their place.
    pub(super) foreign: Vec<String>,
    /// Clients that got no answer for longer than any limit.
    pub(super) hung: u64,
    /// How often which SQLSTATE was answered.
    pub(super) errors: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.foreign.extend(other.foreign);
        self.hung += other.hung;
        for (code, times) in other.errors {
            *self.errors.entry(code).or_default() += times;
        }
    }

    /// Holds an answer against what was asked: so many rows for each nonce, in order. With an error there may be
    /// fewer, but no others.
    fn check(&mut self, answer: &Answer, asked: &[(&str, u64)]) {
        let mut wanted = asked.iter().flat_map(|&(nonce, rows)| (1..=rows).map(move |n| (nonce, n)));
        for (nonce, number) in &answer.rows {
            self.rows += 1;
            let due = wanted.next();
            if due.is_none_or(|due| due.0 != nonce || due.1.to_string() != *number) {
                self.foreign.push(format!("({nonce}, {number}) came instead of {due:?}"));
            }
        }
        if answer.errors.is_empty()
            && let Some(missing) = wanted.next()
        {
            self.foreign.push(format!("{missing:?} never came"));
        }
        for code in &answer.errors {
            *self.errors.entry(code.clone()).or_default() += 1;
        }
    }
}

/// Numbers in no order, from a seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Lives at `port` until `over` says so. Who waits for longer than `patience` hangs.
pub(super) async fn live(port: u16, seed: u64, patience: Duration, over: impl Fn() -> bool) -> Report {
    let mut report = Report::default();
    let mut dice = Dice(seed);
    for life in 0_u64.. {
        if over() {
            break;
        }
        let name = format!("{seed}-{life}-{}", dice.roll(1 << 30));
        let lived = async {
            let client = Client::connect(port, patience).await?;
            one_connection(client, port, &name, &mut dice, &mut report).await
        };
        if let Err(error) = lived.await {
            report.hung += u64::from(error.kind() == io::ErrorKind::TimedOut);
            // The server may be down.
            sleep(Duration::from_millis(10)).await;
        }
    }
    report
}

async fn one_connection(
    mut client: Client,
    port: u16,
    name: &str,
    dice: &mut Dice,
    report: &mut Report,
) -> io::Result<()> {
    for turn in 0..dice.roll(40) {
        let nonce = format!("{name}-{turn}");
        let rows = 1 + dice.roll(200);
        let select = format!("SELECT '{nonce}', n FROM generate_series(1, {rows}) n");
        match dice.roll(16) {
            0 => {
                // Gone before the answer, or in its middle.
                let many = format!("SELECT '{nonce}', n, repeat('x', 1000) FROM generate_series(1, 5000) n");
                client.ask(&many).await?;
                if dice.roll(2) == 0 {
                    client.read_some(1 + usize::try_from(dice.roll(20_000)).unwrap_or(0)).await?;
                }
                return Ok(());
            }
            1 => {
                // Stopped, perhaps, and perhaps only the next one.
                let between = format!("SELECT '{nonce}', 1 FROM pg_sleep(0.02)");
                client.ask(&format!("{select}; {between}; {select}")).await?;
                sleep(Duration::from_millis(dice.roll(30))).await;
                let _ = cancel(port, &client.key).await;
                report.check(&client.answer().await?, &[(&nonce, rows), (&nonce, 1), (&nonce, rows)]);
            }
            2 => transaction(&mut client, &nonce, rows, dice, report).await?,
            3 | 4 => pipeline(&mut client, &nonce, dice, report).await?,
            5 => {
                // One that reads slowly.
                let many = format!("SELECT '{nonce}', n, repeat('x', 500) FROM generate_series(1, 2000) n");
                client.ask(&many).await?;
                sleep(Duration::from_millis(dice.roll(100))).await;
                report.check(&client.answer().await?, &[(&nonce, 2000)]);
            }
            6 if dice.roll(8) == 0 => {
                let large = format!("SELECT '{nonce}', 1, repeat('x', 8000000)");
                report.check(&client.query(&large).await?, &[(&nonce, 1)]);
            }
            7 => {
                let failing = format!("{select}; SELECT 1 / 0");
                report.check(&client.query(&failing).await?, &[(&nonce, rows), (&nonce, 1)]);
            }
            8 if dice.roll(4) == 0 => {
                // Half a message, and gone.
                client.send(&message(b'Q', select.as_bytes())[..9]).await?;
                return Ok(());
            }
            9 if dice.roll(8) == 0 => {
                // Longer than a statement may take.
                client.ask(&format!("{select}; SELECT '{nonce}', 1 FROM pg_sleep(20)")).await?;
                report.check(&client.answer().await?, &[(&nonce, rows), (&nonce, 1)]);
            }
            _ => report.check(&client.query(&select).await?, &[(&nonce, rows)]),
        }
    }
    client.send(&message(b'X', b"")).await
}

/// What a transaction sets is seen in it, and by nobody else.
async fn transaction(
    client: &mut Client,
    nonce: &str,
    rows: u64,
    dice: &mut Dice,
    report: &mut Report,
) -> io::Result<()> {
    let begun = client.query(&format!("BEGIN; SET LOCAL app.nonce = '{nonce}'")).await?;
    report.check(&begun, &[]);
    if !begun.in_transaction {
        return Ok(());
    }
    if dice.roll(4) == 0 {
        // Gone, with the transaction open.
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let select = format!("SELECT current_setting('app.nonce', true), n FROM generate_series(1, {rows}) n");
    report.check(&client.query(&select).await?, &[(nonce, rows)]);
    let end = if dice.roll(2) == 0 { "COMMIT" } else { "ROLLBACK" };
    report.check(&client.query(end).await?, &[]);
    let after = "SELECT coalesce(current_setting('app.nonce', true), ''), 1";
    report.check(&client.query(after).await?, &[("", 1)]);
    Ok(())
}

/// Several extended queries before the first answer is read.
async fn pipeline(client: &mut Client, nonce: &str, dice: &mut Dice, report: &mut Report) -> io::Result<()> {
    const SELECT: &str = "SELECT $1::text, n FROM generate_series(1, $2::int) n";
    let name = ["", "one", "two"][usize::try_from(dice.roll(3)).unwrap_or(0)];
    let mut bytes = Vec::new();
    let mut asked = Vec::new();
    // A name is taken only once.
    bytes.extend(message(b'C', &[b"S", name.as_bytes(), b"\0"].concat()));
    bytes.extend(message(b'P', &[name.as_bytes(), b"\0", SELECT.as_bytes(), b"\0\0\0"].concat()));
    for part in 0..=dice.roll(4) {
        let (nonce, rows) = (format!("{nonce}-{part}"), 1 + dice.roll(50));
        let mut bind = [b"\0", name.as_bytes(), b"\0\0\0\0\x02"].concat();
        for value in [nonce.clone(), rows.to_string()] {
            bind.extend(u32::try_from(value.len()).unwrap_or(0).to_be_bytes());
            bind.extend(value.as_bytes());
        }
        bind.extend(b"\0\0");
        bytes.extend(message(b'B', &bind));
        bytes.extend(message(b'E', b"\0\0\0\0\0"));
        asked.push((nonce, rows));
    }
    bytes.extend(message(b'S', b""));
    client.send(&bytes).await?;
    if dice.roll(10) == 0 {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let asked: Vec<_> = asked.iter().map(|(nonce, rows)| (nonce.as_str(), *rows)).collect();
    report.check(&client.answer().await?, &asked);
    Ok(())
}
