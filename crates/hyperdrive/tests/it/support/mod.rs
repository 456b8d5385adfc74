//! Databases of our own: on free ports, in temporary directories, gone with the last test that uses them.

mod certificates;
pub(crate) mod pooler;
mod postgres;
mod wire;

mod mariadb;
mod mysql_wire;

pub(crate) use pooler::Pooler;

pub(crate) use mariadb::MariaDb;
pub(crate) use mysql_wire::{MySqlReply, MySqlWire, execution};
pub(crate) use postgres::Postgres;
pub(crate) use wire::{Reply, Wire, message};
