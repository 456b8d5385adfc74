//! What clients cost that are connected and say nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use selvedge_databases::{DATABASE, MariaDb, PASSWORD, Postgres, USER};
use sha1::{Digest as _, Sha1};

use super::Arguments;
use super::database::Database as _;
use super::proxy::{Contestant, Target};

/// Clients that log in at the same time.
const AT_ONCE: usize = 64;

pub(super) async fn postgres(arguments: &Arguments, selvedge: &Path, postgres: &Postgres) -> Result<()> {
    if !arguments.wants("idle") {
        return Ok(());
    }
    let mut contestants = vec![Contestant::selvedge(selvedge, &postgres.url(), arguments.pool, true)?];
    contestants.extend(Contestant::pgbouncer(postgres, arguments.pool)?);
    for contestant in contestants {
        let before = resident(contestant.target)?;
        let mut clients = Vec::with_capacity(arguments.idle);
        while clients.len() < arguments.idle {
            let mut logins = tokio::task::JoinSet::new();
            for _ in 0..AT_ONCE.min(arguments.idle - clients.len()) {
                logins.spawn(log_in(contestant.target));
            }
            while let Some(login) = logins.join_next().await {
                clients.push(login??);
            }
        }
        // Each has asked once: a client that never did might hold less.
        tokio::time::sleep(Duration::from_secs(1)).await;
        say(contestant.name, "PostgreSQL", clients.len(), before, resident(contestant.target)?);
    }
    Ok(())
}

async fn log_in(target: Target) -> Result<tokio_postgres::Client> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(target.address.port()).user(USER).password(PASSWORD).dbname(DATABASE);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.simple_query("SELECT 1").await?;
    Ok(client)
}

pub(super) fn mysql(arguments: &Arguments, selvedge: &Path, mariadb: &MariaDb) -> Result<()> {
    if !arguments.wants("idle") {
        return Ok(());
    }
    let contestant = Contestant::selvedge(selvedge, &mariadb.url(), arguments.pool, true)?;
    let before = resident(contestant.target)?;
    let clients: Result<Vec<_>> = (0..arguments.idle).map(|_| log_in_to_mysql(contestant.target)).collect();
    let clients = clients?;
    std::thread::sleep(Duration::from_secs(1));
    say(contestant.name, "MariaDB", clients.len(), before, resident(contestant.target)?);
    Ok(())
}

/// A client that has logged in with `mysql_native_password` and asked once.
fn log_in_to_mysql(target: Target) -> Result<TcpStream> {
    const CAPABILITIES: u32 = 1 | 4 | 8 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 19;
    let mut stream = TcpStream::connect(target.address)?;
    let (greeting, _) = packet(&mut stream)?;
    let version = greeting.iter().position(|&byte| byte == 0).context("no version")?;
    let rest = greeting.get(version + 1..).filter(|rest| rest.len() >= 43).context("a short greeting")?;
    let nonce = [&rest[4..12], &rest[31..43]].concat();
    let mut response = CAPABILITIES.to_le_bytes().to_vec();
    response.extend_from_slice(&(1_u32 << 30).to_le_bytes());
    response.push(45);
    response.extend_from_slice(&[0; 23]);
    response.extend_from_slice(format!("{USER}\0\x14").as_bytes());
    response.extend_from_slice(&proof(&nonce));
    response.extend_from_slice(format!("{DATABASE}\0mysql_native_password\0").as_bytes());
    send(&mut stream, 1, &response)?;
    let (mut answer, sequence) = packet(&mut stream)?;
    if answer.first() == Some(&0xfe) {
        let nonce = answer.rsplit(|&byte| byte == 0).find(|part| part.len() == 20).context("no nonce")?;
        send(&mut stream, sequence + 1, &proof(nonce))?;
        answer = packet(&mut stream)?.0;
    }
    ensure!(answer.first() == Some(&0), "not let in: {}", String::from_utf8_lossy(&answer));
    send(&mut stream, 0, b"\x03DO 1")?;
    ensure!(packet(&mut stream)?.0.first() == Some(&0), "the pooler did not answer");
    Ok(stream)
}

/// SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password)))
fn proof(nonce: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(PASSWORD);
    let mask = Sha1::new().chain_update(nonce).chain_update(Sha1::digest(once)).finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

fn send(stream: &mut TcpStream, sequence: u8, payload: &[u8]) -> Result<()> {
    let length = u32::try_from(payload.len())?.to_le_bytes();
    Ok(stream.write_all(&[&length[..3], &[sequence], payload].concat())?)
}

fn packet(stream: &mut TcpStream) -> Result<(Vec<u8>, u8)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    Ok((payload, header[3]))
}

fn resident(target: Target) -> Result<u64> {
    target.resident_bytes().context("there is no pooler")
}

fn say(contestant: &str, database: &str, clients: usize, before: u64, after: u64) {
    let each = after.saturating_sub(before) as f64 / clients.max(1) as f64 / 1024.0;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "{clients} idle {database} clients on {contestant}: {:.1} MB instead of {:.1}, {each:.2} KB each",
        mb(after),
        mb(before)
    );
}
