//! Bytes going out.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin as Pinned;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream};
use selvedge_blob::{BlobId, Pool, SEAL_CHUNK, SealedFile};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::garbage::Pin;
use crate::range::Span;
use crate::rows::unsigned;
use crate::ssec::{Cipher, PLAIN, SEALED, SsecKey, sealed_size};
use crate::{Error, Result};

/// Bytes of one trip to the disk. Two of them are in memory for each reader at most.
const BLOCK: u64 = 8 * SEAL_CHUNK;

/// The bytes of an object, or a part of them.
#[derive(Debug)]
pub enum Content {
    /// All of them.
    Inline(Bytes),
    /// In files, read as they are taken.
    Stream(ContentStream),
}

/// One file of an object, and which bytes of it are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) number: u32,
    pub(crate) blob: BlobId,
    /// Bytes of the whole part, as its writer sent them.
    pub(crate) size: u64,
    sealed: bool,
    salt: Option<Vec<u8>>,
    offset: u64,
    length: u64,
}

impl Piece {
    pub(crate) const COLUMNS: &'static str = "number, size, blob, sum IS NOT NULL, salt";

    /// The whole of a part, from a row of [`Piece::COLUMNS`].
    pub(crate) fn from_row(row: &rusqlite::Row<'_>) -> Result<Self> {
        let blob = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let blob = BlobId::parse(blob).ok_or(Error::Corrupt("the name of a file"))?;
        let size = unsigned(row.get(1)?);
        let (number, sealed, salt) = (row.get(0)?, row.get(3)?, row.get(4)?);
        Ok(Self { number, blob, size, sealed, salt, offset: 0, length: size })
    }
}

/// What every reader of a bucket shares.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) blobs: selvedge_blob::Store,
    pub(crate) pool: Pool,
}

impl Content {
    pub(crate) fn inline(bytes: Vec<u8>, span: Span) -> Result<Self> {
        let range = usize::try_from(span.offset).ok().zip(usize::try_from(span.end()).ok());
        let bytes = Bytes::from(bytes);
        match range {
            Some((start, end)) if end <= bytes.len() => Ok(Self::Inline(bytes.slice(start..end))),
            _ => Err(Error::Corrupt("as many bytes as the object's size says")),
        }
    }

    /// Opens the first file that has bytes of `span` and reads the first of them. Not found means that the
    /// object was removed before `pin` was there to prevent it.
    pub(crate) async fn open(
        source: Source,
        pin: Pin,
        pieces: &[Piece],
        span: Span,
        key: Option<SsecKey>,
    ) -> io::Result<Self> {
        let reader = Reader { source, open: None, pieces: select(pieces, span), key, _pin: pin };
        let (reader, first) = spawn_blocking(move || reader.read()).await??;
        Ok(if reader.is_at_end() {
            Self::Inline(first)
        } else {
            Self::Stream(ContentStream { next: None, first: Some(Box::new((reader, first))) })
        })
    }

    /// The bytes one after the other, wherever they are.
    pub fn into_stream(self) -> ContentStream {
        match self {
            Self::Stream(stream) => stream,
            Self::Inline(bytes) => {
                let next = (!bytes.is_empty()).then(|| Next::Ready(bytes));
                ContentStream { first: None, next }
            }
        }
    }
}

/// What of `pieces`, laid end to end, is inside `span`.
fn select(pieces: &[Piece], span: Span) -> VecDeque<Piece> {
    let mut start = 0;
    let mut selected = VecDeque::new();
    for piece in pieces {
        let end = start + piece.length;
        let (from, to) = (span.offset.max(start), span.end().min(end));
        if from < to {
            selected.push_back(Piece { offset: from - start, length: to - from, ..piece.clone() });
        }
        start = end;
    }
    selected
}

/// Reads pieces one after the other.
#[derive(Debug)]
struct Reader {
    source: Source,
    open: Option<Open>,
    /// The first one is being read, from where it is now.
    pieces: VecDeque<Piece>,
    key: Option<SsecKey>,
    _pin: Pin,
}

#[derive(Debug)]
enum Open {
    /// From before files had checksums.
    Plain(File),
    Sealed(SealedFile),
    Encrypted(SealedFile, Box<Cipher>),
}

impl Open {
    fn new(source: &Source, piece: &Piece, key: Option<&SsecKey>) -> io::Result<Self> {
        let blobs = &source.blobs;
        match (&piece.salt, key) {
            (Some(salt), Some(key)) => {
                let file = blobs.open_sealed(&piece.blob, sealed_size(piece.size))?;
                Ok(Self::Encrypted(file, Box::new(key.cipher(salt))))
            }
            (Some(_), None) => Err(io::Error::other("an encrypted part is read without its key")),
            (None, _) if piece.sealed => Ok(Self::Sealed(blobs.open_sealed(&piece.blob, piece.size)?)),
            (None, _) => Ok(Self::Plain(blobs.open_file(&piece.blob)?)),
        }
    }

    /// The next bytes of `piece`, at most about [`BLOCK`]; such that the next trip begins at a checksum's start.
    fn read(&mut self, piece: &Piece, pool: &Pool) -> io::Result<Bytes> {
        let unit = if matches!(self, Self::Encrypted(..)) { PLAIN } else { SEAL_CHUNK };
        let most = (BLOCK / SEAL_CHUNK) * unit - piece.offset % unit;
        let wanted = piece.length.min(most);
        let mut buffer = pool.take();
        let range = match self {
            Self::Plain(file) => {
                buffer.resize(usize::try_from(wanted).map_err(io::Error::other)?, 0);
                file.read_exact_at(&mut buffer, piece.offset)?;
                0..buffer.len()
            }
            Self::Sealed(file) => {
                file.read(piece.offset, wanted, piece.offset + piece.length, &mut buffer)?
            }
            Self::Encrypted(file, cipher) => {
                let first = piece.offset / PLAIN;
                let last = (piece.offset + piece.length).div_ceil(PLAIN) * SEALED;
                let end = ((piece.offset + wanted).div_ceil(PLAIN) * SEALED).min(file.len());
                let start = first * SEALED;
                let range = file.read(start, end - start, last.min(file.len()), &mut buffer)?;
                let plain = cipher.open(first, &mut buffer[range])?;
                let from = usize::try_from(piece.offset - first * PLAIN).map_err(io::Error::other)?;
                let to = from + usize::try_from(wanted).map_err(io::Error::other)?;
                if to > plain {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
                from..to
            }
        };
        Ok(pool.lend(buffer).slice(range))
    }
}

impl Reader {
    fn is_at_end(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The next bytes; none at the end.
    fn read(mut self) -> io::Result<(Self, Bytes)> {
        let Some(piece) = self.pieces.front_mut() else { return Ok((self, Bytes::new())) };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.source, piece, self.key.as_ref())?,
        };
        let bytes = open.read(piece, &self.source.pool).inspect_err(|error| {
            tracing::error!(blob = %piece.blob, %error, "a file of an object cannot be read");
        })?;
        piece.offset += bytes.len() as u64;
        piece.length -= bytes.len() as u64;
        if piece.length == 0 {
            self.pieces.pop_front();
        } else {
            self.open = Some(open);
        }
        Ok((self, bytes))
    }
}

/// The bytes in their order, read one block ahead. It ends early only with an error: bytes that are not those
/// written are never handed out.
#[derive(Debug)]
pub struct ContentStream {
    first: Option<Box<(Reader, Bytes)>>,
    next: Option<Next>,
}

#[derive(Debug)]
enum Next {
    Ready(Bytes),
    Reading(JoinHandle<io::Result<(Reader, Bytes)>>),
}

impl ContentStream {
    fn hand_out(&mut self, reader: Reader, bytes: Bytes) -> Bytes {
        if !reader.is_at_end() {
            self.next = Some(Next::Reading(spawn_blocking(move || reader.read())));
        }
        bytes
    }
}

impl Stream for ContentStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pinned<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            let (reader, bytes) = *first;
            return Poll::Ready(Some(Ok(self.hand_out(reader, bytes))));
        }
        let read = match &mut self.next {
            None => return Poll::Ready(None),
            Some(Next::Ready(bytes)) => {
                let bytes = std::mem::take(bytes);
                self.next = None;
                return Poll::Ready(Some(Ok(bytes)));
            }
            Some(Next::Reading(reading)) => ready!(reading.poll_unpin(context)),
        };
        self.next = None;
        let read = read.map_err(io::Error::other).flatten();
        Poll::Ready(Some(read.map(|(reader, bytes)| self.hand_out(reader, bytes))))
    }
}
