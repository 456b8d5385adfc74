//! COM_QUERY.

use bytes::Bytes;

use super::super::answer::{Answer, Shape};
use super::super::config::MySqlMode;
use super::super::error::MySqlError;
use super::super::inspect::{Inspected, Kind, inspect};
use super::super::packet::payload;
use super::cached::Found;
use super::link::in_time;
use super::{Session, Step};
use crate::Stream;
use crate::cache::{Dialect, Form, classify};

impl<S: Stream> Session<S> {
    pub(super) async fn query(&mut self, packets: Bytes) -> Step {
        let payload = payload(&packets);
        let sql = &payload[1..];
        let inspected = inspect(sql);
        if let Some(step) = self.answer_ourselves(&inspected).await {
            return step;
        }
        let found = if self.may_use_cache() {
            let verdict = classify(sql, Dialect::MySql);
            self.look_up(&verdict, Form::MySqlText, &[], &packets)
        } else {
            Found::Nothing
        };
        drop(payload);
        let fill = match found {
            Found::Answer(answer) => return self.give(&answer).await,
            Found::Fill(fill) => Some(fill),
            Found::Nothing => None,
        };
        if self.acquire().await?.is_some() && self.set_insert_id(&inspected).await? {
            self.hand_over(&packets, Answer::new(Shape::Results), fill, &inspected).await?;
        }
        Ok(())
    }

    /// What cannot be relayed, or need not be.
    pub(super) async fn answer_ourselves(&mut self, inspected: &Inspected) -> Option<Step> {
        if let Kind::Kill { number, query_only } = inspected.kind {
            return Some(self.kill(number, query_only).await);
        }
        if self.mode == MySqlMode::Session {
            return None;
        }
        let in_transaction = self.lease.as_ref().is_some_and(|lease| lease.in_transaction());
        let what = match &inspected.kind {
            Kind::Use(name) => return Some(self.use_database(name, "USE").await),
            Kind::Session(what) => what,
            Kind::SessionOutsideTransaction(what) if !in_transaction => what,
            Kind::Set(later) if self.settings.with(later).is_none() => "so many settings",
            _ if inspected.named_locks && !in_transaction => "a lock by name",
            _ if inspected.looks_back && !in_transaction => "what the statement before left behind",
            _ => return None,
        };
        let text = format!(
            "Hyperdrive does not support {what} here: outside of a transaction the next statement may run on another \
             connection. Use one transaction, or session mode"
        );
        Some(self.fail(&MySqlError::unsupported(text)).await)
    }

    /// A statement that asks for the client's last number must find it on whichever connection it runs. False: the
    /// client was told that it does not.
    pub(super) async fn set_insert_id(&mut self, inspected: &Inspected) -> Result<bool, super::End> {
        let Some(lease) = self.lease.as_mut().filter(|_| inspected.last_insert_id) else { return Ok(true) };
        let sql = format!("SET last_insert_id = {}", self.insert_id);
        match in_time(&self.pool, &mut self.client, lease.execute(&sql)).await {
            Ok(()) => Ok(true),
            Err(error) => {
                let told = self.told(&error);
                self.abandon().await;
                self.fail(&told).await?;
                Ok(false)
            }
        }
    }
}
