use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use crate::garbage;
use crate::receive::md5;
use crate::{Bucket, Checksums, Conditions, Error, HttpMetadata, Object, Result, StorageClass, rows};

#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Tried in the transaction that writes the object.
    pub conditions: Conditions,
    pub http: HttpMetadata,
    pub custom: Vec<(String, String)>,
    pub class: StorageClass,
    /// Verified, kept and given back.
    pub checksums: Checksums,
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
        self.check_key(key)?;
        if size > self.inner.limits.put {
            return Err(Error::EntityTooLarge);
        }
        self.check_metadata(&options.http, &options.custom)?;
        let PutOptions { conditions, http, custom, class, checksums: given } = options;
        let inline = self.inner.limits.inline;
        if size > inline && !conditions.is_empty() {
            // Not the decision, which is in the transaction: it only spares a large upload that is lost already.
            let existing = self.inner.database.read(|c| rows::existing(c, key)).await??;
            require(&conditions, existing.as_ref())?;
        }
        let (sink, counted) = self.receive(body, size, Some(inline), &given).await?;
        let mut object = Object {
            key: key.to_owned(),
            version: self.new_version(),
            size,
            etag: md5(&counted)?.to_owned(),
            uploaded: self.inner.clock.now(),
            class,
            checksums: counted,
            http,
            custom,
        };
        let content = self.new_content();
        let clock = Arc::clone(&self.inner.clock);
        self.write_with(sink, move |c, stored| {
            let existing = rows::existing(c, &object.key)?;
            require(&conditions, existing.as_ref())?;
            object.uploaded = clock.now();
            stored.write(c, content, 1, object.size, &object.etag)?;
            rows::write(c, &object, content)?;
            let garbage = match existing {
                Some(replaced) => garbage::discard(c, replaced.content)?,
                None => false,
            };
            Ok((object, garbage))
        })
        .await
    }
}

fn require(conditions: &Conditions, existing: Option<&rows::Existing>) -> Result<()> {
    if conditions.hold(existing.map(|e| (e.etag.as_str(), e.uploaded))) {
        Ok(())
    } else {
        Err(Error::PreconditionFailed)
    }
}
