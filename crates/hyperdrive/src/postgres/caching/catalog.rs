//! What the cache has to know about the origin's own functions, views and policies.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::super::connect::ConnectError;
use super::super::reset::rows;
use super::super::server::Postgres;
use crate::cache::{Catalog, Dialect};
use crate::pool::Connect as _;

const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the catalog again, in a task of its own.
pub(super) fn read(server: Arc<Postgres>) {
    tokio::spawn(async move {
        let Some(caching) = &server.caching else { return };
        let Ok(mut lease) = server.pool.acquire(&server.pool.connector().plain()).await else { return };
        match timeout(PATIENCE, rows(&mut lease, Catalog::sql(Dialect::Postgres).as_bytes())).await {
            Ok(Ok(rows)) => {
                lease.give_back();
                let mut catalog = Catalog::new(Dialect::Postgres);
                for row in &rows {
                    if let [Some(kind), Some(name), definition] = row.as_slice() {
                        catalog.add(kind, name, definition.as_deref());
                    }
                }
                caching.learned(catalog.finish());
            }
            Ok(Err(error)) => tell(&error),
            Err(_) => tell(&ConnectError::TimedOut),
        }
    });
}

fn tell(error: &ConnectError) {
    tracing::warn!("nothing is cached until the origin's catalogs can be read: {error}");
}
