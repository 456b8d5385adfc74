use std::io;

use bytes::Bytes;
use futures_util::Stream;
use rusqlite::Connection;

use crate::checksum::Trailer;
use crate::features::events::{self, Action, CopySource};
use crate::features::locks::is_locked;
use crate::features::settings::Live;
use crate::receive::{Intake, PartFacts, Received, md5};
use crate::rows::Existing;
use crate::ssec::{Ssec, SsecKey};
use crate::{
    Algorithm, Bucket, ChecksumKind, Checksums, Conditions, Error, HttpMetadata, Object, Result,
    StorageClass, garbage, rows,
};

#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Tried in the transaction that writes the object.
    pub conditions: Conditions,
    pub http: HttpMetadata,
    pub custom: Vec<(String, String)>,
    /// `None` for the bucket's.
    pub class: Option<StorageClass>,
    /// Verified, kept and given back.
    pub checksums: Checksums,
    /// Counted, kept and given back, though no value is given.
    pub count: Vec<Algorithm>,
    /// Verified when the body is at its end. Its algorithms are in `count`.
    pub trailer: Option<Trailer>,
    /// Encrypt with this key.
    pub ssec: Option<SsecKey>,
}

impl Bucket {
    /// Writes an object of exactly `size` bytes, over the one of the same key if there is one, and answers when
    /// it is durable. What cannot be written is refused as early as that is known, so `body` may be left with
    /// bytes in it.
    ///
    /// Dropping the future before `body` is at its end leaves nothing behind; after that the object may be
    /// written or not.
    pub async fn put(
        &self,
        key: &str,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        size: u64,
        options: PutOptions,
    ) -> Result<Object> {
        self.put_as(key, body, size, options, None).await
    }

    /// As [`Bucket::put`], for a copy when there is a source.
    pub(crate) async fn put_as(
        &self,
        key: &str,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        size: u64,
        options: PutOptions,
        source: Option<CopySource>,
    ) -> Result<Object> {
        self.check_key(key)?;
        if size > self.inner.limits.put {
            return Err(Error::EntityTooLarge);
        }
        self.check_metadata(&options.http, &options.custom)?;
        let PutOptions { conditions, http, custom, class, checksums: given, count, trailer, ssec } = options;
        let inline = self.inner.limits.inline;
        let live = self.inner.live.clone();
        if size > inline {
            // Not the decision, which is in the transaction: it only spares a large upload that is lost already.
            let existing = self.inner.database.read(|c| rows::existing(c, key)).await??;
            may_write(&live, key, &conditions, existing.as_ref())?;
        }
        let intake = Intake {
            size,
            inline: Some(inline),
            given: &given,
            count: &count,
            trailer: trailer.as_ref(),
            ssec: ssec.as_ref(),
        };
        let Received { sink, counted } = self.receive(body, intake).await?;
        let mut object = Object {
            key: key.to_owned(),
            version: self.new_version(),
            size,
            etag: md5(&counted)?.to_owned(),
            uploaded: self.inner.clock.now(),
            class: class.unwrap_or(live.settings().options.class),
            checksums: counted,
            checksum_kind: ChecksumKind::Whole,
            ssec: ssec.map(|key| Ssec::new(&key, &*self.inner.clock)),
            http,
            custom,
        };
        let content = self.new_content();
        self.write_with(sink, move |c, stored| {
            let existing = rows::existing(c, &object.key)?;
            may_write(&live, &object.key, &conditions, existing.as_ref())?;
            object.uploaded = live.now();
            let part = PartFacts {
                number: 1,
                size: object.size,
                md5: &object.etag,
                checksums: None,
                uploaded: object.uploaded,
            };
            stored.write(c, content, &part)?;
            let action = if source.is_some() { Action::CopyObject } else { Action::PutObject };
            let garbage = install(c, &live, &object, content, existing, action, source.as_ref())?;
            Ok((object, garbage))
        })
        .await
    }
}

/// Whether an object may be written, or removed, where `existing` is.
pub(crate) fn may_write(
    live: &Live,
    key: &str,
    conditions: &Conditions,
    existing: Option<&Existing>,
) -> Result<()> {
    live.require()?;
    conditions.require(Existing::facts(existing))?;
    let locked = |e: &Existing| is_locked(live.settings().locks(), key, e.uploaded, live.now());
    if existing.is_some_and(locked) { Err(Error::ObjectLocked) } else { Ok(()) }
}

/// Makes `object` the one of its key, in the place of `existing`. True when that left files to remove.
pub(crate) fn install(
    c: &Connection,
    live: &Live,
    object: &Object,
    content: i64,
    existing: Option<Existing>,
    action: Action,
    source: Option<&CopySource>,
) -> Result<bool> {
    rows::write(c, object, content)?;
    events::record(c, live, action, &object.key, Some((object.size, &object.etag)), source)?;
    match existing {
        Some(replaced) => Ok(garbage::discard(c, replaced.content)?),
        None => Ok(false),
    }
}
