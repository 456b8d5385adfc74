//! A Postgres pooler in a few lines: `pooler ORIGIN LISTEN [CONNECTIONS] [MODE]`. Clients log in with the origin's
//! own user and password.

use selvedge_base::SystemClock;
use selvedge_hyperdrive::cache::{CacheSettings, CacheStore, DEFAULT_STORE_BYTES, QueryCache};
use selvedge_hyperdrive::pool::PoolConfig;
use selvedge_hyperdrive::postgres::{ClientAuth, Credential, Mode, Postgres, PostgresConfig};
use selvedge_hyperdrive::{Origin, listen};
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As the product: one thread fewer than cores.
    let threads =
        std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let serving = runtime.spawn(serve());
    runtime.block_on(serving)?.map_err(Into::into)
}

async fn serve() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut arguments = arguments.into_iter();
    let mut argument = |name| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let origin = Origin::parse(&argument("the origin")?).map_err(|error| error.to_string())?;
    let listener =
        TcpListener::bind(argument("where to listen")?).await.map_err(|error| error.to_string())?;
    let connections = argument("").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mode = if argument("").as_deref() == Ok("session") { Mode::Session } else { Mode::Transaction };
    let credential = Credential {
        user: String::from_utf8_lossy(&origin.user_name()).into_owned(),
        password: String::from_utf8_lossy(&origin.password_bytes()).into_owned(),
        database: String::from_utf8_lossy(&origin.database_name()).into_owned(),
        auth: match std::env::var("CLIENT_AUTH").as_deref() {
            Ok("trust") => ClientAuth::Trust,
            Ok("cleartext") => ClientAuth::Cleartext,
            _ => ClientAuth::ScramSha256,
        },
    };
    let config = PostgresConfig { mode, ..PostgresConfig::default() };
    let limit = config.max_clients;
    let pool = PoolConfig { max_connections: connections, ..PoolConfig::default() };
    let cache = std::env::var_os("CACHE").map(|_| {
        let store = CacheStore::new(DEFAULT_STORE_BYTES, SystemClock::shared());
        QueryCache::new(store, CacheSettings::default())
    });
    let server = Postgres::new(origin, credential, config, pool, cache, SystemClock::shared());
    listen(listener.into(), server.map_err(|error| error.to_string())?, limit).await;
    Ok(())
}
