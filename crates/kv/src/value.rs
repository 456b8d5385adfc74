use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use selvedge_blob::{BlobId, Pin, SealedFile, Store};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{Damage, Error, Result};

/// Bytes of a value file that are read at a time.
const PIECE: u64 = 256 * 1024;

/// A value to be read. A large one is a file that stays readable whatever happens to its key meanwhile.
#[derive(Debug)]
pub enum Value {
    Inline(Bytes),
    File(ValueFile),
}

impl Value {
    /// Bytes of the whole value.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File(file) => file.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the value into memory.
    pub async fn into_bytes(self) -> Result<Bytes> {
        match self {
            Self::Inline(bytes) => Ok(bytes),
            Self::File(mut file) => {
                let mut bytes = BytesMut::with_capacity(usize::try_from(file.len).unwrap_or(0));
                while let Some(piece) = file.next().await? {
                    bytes.extend_from_slice(&piece);
                }
                Ok(bytes.freeze())
            }
        }
    }

    /// The value in pieces, each checked before it is given out. After an error there is nothing more.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send {
        stream::try_unfold(self, |value| async move {
            match value {
                Self::Inline(bytes) if bytes.is_empty() => Ok(None),
                Self::Inline(bytes) => Ok(Some((bytes, Self::Inline(Bytes::new())))),
                Self::File(mut file) => Ok(file.next().await?.map(|piece| (piece, Self::File(file)))),
            }
        })
    }
}

/// A value in a file of its own, read from the start. One piece is read ahead, so that two are in memory.
#[derive(Debug)]
pub struct ValueFile {
    key: String,
    len: u64,
    /// The next piece, already here.
    ready: Option<Piece>,
    /// The next piece, on its way.
    ahead: Option<JoinHandle<io::Result<Piece>>>,
}

/// Where a value file is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Where its row says: as long as there is such a row.
    Blob(Store, BlobId),
    /// Kept for a location.
    Pin(Arc<Pin>),
}

impl Place {
    fn open(&self) -> io::Result<File> {
        match self {
            Self::Blob(store, id) => store.open_file(id),
            Self::Pin(pin) => pin.open_file(),
        }
    }

    fn open_sealed(&self, len: u64) -> io::Result<SealedFile> {
        match self {
            Self::Blob(store, id) => store.open_sealed(id, len),
            Self::Pin(pin) => pin.open_sealed(len),
        }
    }

    fn id(&self) -> &BlobId {
        match self {
            Self::Blob(_, id) => id,
            Self::Pin(pin) => pin.id(),
        }
    }
}

/// Bytes, checked, and the file from which the next ones come.
#[derive(Debug)]
struct Piece {
    source: Source,
    /// Where in the file the bytes end.
    end: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Source {
    Sealed(SealedFile),
    /// Older than checksums are.
    Plain(File),
}

impl ValueFile {
    /// Opens the file and reads its first piece, so that what is wrong with it is known as early as can be.
    pub(crate) async fn open(place: Place, key: &str, len: u64, sealed: bool) -> Result<Self> {
        let opening = spawn_blocking(move || {
            let source = if sealed {
                Source::Sealed(place.open_sealed(len)?)
            } else {
                let file = place.open()?;
                let found = file.metadata()?.len();
                if found != len {
                    let what = format!("it has {found} bytes and not {len}");
                    let damage = selvedge_blob::Damage { blob: place.id().to_string(), what };
                    return Err(io::Error::new(io::ErrorKind::InvalidData, damage));
                }
                Source::Plain(file)
            };
            source.read(0, len)
        });
        let mut value = Self { key: key.to_owned(), len, ready: None, ahead: None };
        let first = opening.await.unwrap_or_else(|stopped| Err(stopped.into()));
        value.ready = Some(first.map_err(|failed| value.failure(failed))?);
        Ok(value)
    }

    /// Bytes of the whole value.
    #[expect(clippy::len_without_is_empty, reason = "a value that has a file is never empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The next bytes, `None` after the last. They have been checked; an error says that the rest cannot be
    /// served, and nothing comes after it.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let Piece { source, end, bytes } = match (self.ready.take(), self.ahead.take()) {
            (Some(ready), _) => ready,
            (None, Some(ahead)) => {
                let read = ahead.await.unwrap_or_else(|stopped| Err(stopped.into()));
                read.map_err(|failed| self.failure(failed))?
            }
            (None, None) => return Ok(None),
        };
        if end < self.len {
            let len = self.len;
            self.ahead = Some(spawn_blocking(move || source.read(end, len)));
        }
        Ok(Some(bytes))
    }

    fn failure(&self, failed: io::Error) -> Error {
        match selvedge_blob::Damage::of(&failed) {
            Some(damage) => Error::Damaged { key: self.key.clone(), damage: Damage::File(damage.clone()) },
            None => Error::ValueFile(failed),
        }
    }
}

impl Source {
    /// The piece that starts at `offset`. Blocks.
    fn read(mut self, offset: u64, len: u64) -> io::Result<Piece> {
        let size = (len - offset).min(PIECE);
        let mut bytes = Vec::new();
        match &mut self {
            Self::Sealed(file) => {
                let wanted = file.read(offset, size, len, &mut bytes)?;
                bytes.truncate(wanted.end);
                bytes.drain(..wanted.start);
            }
            Self::Plain(file) => {
                bytes.resize(usize::try_from(size).map_err(io::Error::other)?, 0);
                file.read_exact(&mut bytes)?;
            }
        }
        Ok(Piece { source: self, end: offset + size, bytes: bytes.into() })
    }
}

/// What a key holds. `V` is [`Value`], or [`Bytes`] where the value was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<V = Value> {
    pub value: V,
    /// JSON text, as it was put.
    pub metadata: Option<String>,
    /// Seconds since the epoch.
    pub expiration: Option<u64>,
}
