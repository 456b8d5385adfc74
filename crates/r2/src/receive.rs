//! Bytes coming in: counted on one thread, encrypted and written on another, while the next arrive.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use rusqlite::Connection;
use selvedge_base::Millis;
use selvedge_blob::{Behind, BlobId, Damage, Transform, Writer};

use crate::checksum::Trailer;
use crate::digest::Digester;
use crate::rows::{signed, text};
use crate::ssec::{SALT, Sealing, SsecKey, new_salt};
use crate::unsettled::Guard;
use crate::{Algorithm, Bucket, Checksums, Error, Result};

/// Bytes gathered before they are handed on. A larger piece is handed on as it is.
const GATHER: usize = 256 * 1024;
/// Pieces that wait to be counted, for each upload.
const DEPTH: usize = 2;

/// What is to be done with a body.
pub(crate) struct Intake<'a> {
    /// Bytes there must be.
    pub(crate) size: u64,
    /// Up to so many are kept in memory, to become a row. `None`: never.
    pub(crate) inline: Option<u64>,
    /// To be verified.
    pub(crate) given: &'a Checksums,
    /// To be counted besides.
    pub(crate) count: &'a [Algorithm],
    pub(crate) trailer: Option<&'a Trailer>,
    pub(crate) ssec: Option<&'a SsecKey>,
}

/// A body that has arrived, but is not yet on disk.
pub(crate) struct Received {
    pub(crate) sink: Sink,
    pub(crate) counted: Checksums,
}

pub(crate) type Salt = Option<[u8; SALT]>;

/// Where bytes are while they arrive.
pub(crate) enum Sink {
    Memory(Vec<u8>, Salt),
    File(Writer, Guard, Salt),
}

/// Where they are when a row is about to name them.
pub(crate) enum Stored {
    Inline { bytes: Vec<u8>, salt: Salt },
    File { id: BlobId, sum: Option<u32>, salt: Salt },
}

/// What a row says of a part beside where its bytes are.
pub(crate) struct PartFacts<'a> {
    pub(crate) number: u32,
    pub(crate) size: u64,
    pub(crate) md5: &'a str,
    pub(crate) checksums: Option<&'a Checksums>,
    pub(crate) uploaded: Millis,
}

impl Bucket {
    /// Takes a body. Bytes that are few stay in memory, others go to a file.
    pub(crate) async fn receive(
        &self,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        intake: Intake<'_>,
    ) -> Result<Received> {
        let given = intake.given;
        let digester = Digester::new(given.iter().map(|(a, _)| a).chain(intake.count.iter().copied()));
        let salt = intake.ssec.map(|_| new_salt(&*self.inner.clock));
        let (sink, counted) = match usize::try_from(intake.size) {
            Ok(size) if intake.inline.is_some_and(|most| intake.size <= most) => {
                let (bytes, counted) = in_memory(body, size, digester).await?;
                let bytes = match (intake.ssec, &salt) {
                    (Some(key), Some(salt)) => key.cipher(salt).seal_all(&bytes)?,
                    _ => bytes,
                };
                (Sink::Memory(bytes, salt), counted)
            }
            _ => {
                let sealing =
                    intake.ssec.zip(salt.as_ref()).map(|(key, salt)| Sealing::new(key.cipher(salt)));
                let transform = sealing.map(|sealing| Box::new(sealing) as Box<dyn Transform>);
                let writer = self.inner.blobs.create_sealed(Some(intake.size), transform).await?;
                let guard = self.inner.unsettled.guard(writer.id());
                let (writer, counted) = to_file(body, intake.size, writer, digester).await?;
                (Sink::File(writer, guard, salt), counted)
            }
        };
        counted.verify(given)?;
        if let Some(trailer) = intake.trailer {
            counted.verify(&trailer.read()?)?;
        }
        Ok(Received { sink, counted })
    }
}

/// What is left of `size` after `bytes`; an error when they are too many.
fn after(size: u64, bytes: &Bytes) -> Result<u64> {
    size.checked_sub(bytes.len() as u64).ok_or(Error::IncompleteBody)
}

/// A body's own failure is a client that went away or broke the protocol, unless the body is another object.
fn body_failed(error: io::Error) -> Error {
    if Damage::of(&error).is_some() { Error::File(error) } else { Error::IncompleteBody }
}

async fn in_memory(
    mut body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
    size: usize,
    mut digester: Digester,
) -> Result<(Vec<u8>, Checksums)> {
    let mut memory = Vec::with_capacity(size);
    let mut left = size as u64;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(body_failed)?;
        left = after(left, &bytes)?;
        memory.extend_from_slice(&bytes);
    }
    if left > 0 {
        return Err(Error::IncompleteBody);
    }
    digester.update(&memory);
    Ok((memory, digester.finish()))
}

async fn to_file(
    mut body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
    size: u64,
    mut writer: Writer,
    digester: Digester,
) -> Result<(Writer, Checksums)> {
    let counting = Behind::new(digester, DEPTH);
    let mut gathered = BytesMut::new();
    let mut left = size;
    loop {
        let next = body.next().await.transpose().map_err(body_failed)?;
        let over = next.is_none();
        let mut piece = next.unwrap_or_default();
        left = after(left, &piece)?;
        if !over && piece.len() < GATHER / 2 {
            gathered.reserve(GATHER.saturating_sub(gathered.len()).max(piece.len()));
            gathered.extend_from_slice(&piece);
            if gathered.len() < GATHER / 2 {
                continue;
            }
            piece = Bytes::new();
        }
        for bytes in [gathered.split().freeze(), piece] {
            if !bytes.is_empty() {
                counting.push(bytes.clone()).await?;
                writer.push(bytes).await?;
            }
        }
        if over {
            break;
        }
    }
    if left > 0 {
        return Err(Error::IncompleteBody);
    }
    let counted = counting.finish(|digester| Ok(digester.finish())).await?;
    Ok((writer, counted))
}

impl Stored {
    /// Writes the row that makes these the bytes of `content`, or a part of them.
    pub(crate) fn write(&self, c: &Connection, content: i64, part: &PartFacts<'_>) -> Result<()> {
        match self {
            Self::Inline { bytes, salt } => c
                .prepare_cached("INSERT INTO inline (content, bytes, sum, salt) VALUES (?1, ?2, ?3, ?4)")?
                .execute((content, bytes, crc_fast::crc32_iscsi(bytes), salt))?,
            Self::File { id, sum, salt } => c
                .prepare_cached(
                    "INSERT INTO parts (content, number, size, md5, blob, sum, salt, checksums, uploaded)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute((
                    content,
                    part.number,
                    signed(part.size),
                    part.md5,
                    id.as_str(),
                    sum,
                    salt,
                    part.checksums.map(text).transpose()?,
                    signed(part.uploaded.0),
                ))?,
        };
        Ok(())
    }
}

pub(crate) fn md5(checksums: &Checksums) -> Result<&str> {
    checksums.get(Algorithm::Md5).ok_or(Error::Corrupt("an MD5"))
}
