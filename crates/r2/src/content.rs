//! Bytes going out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::pin::Pin as Pinned;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream};
use selvedge_blob::BlobId;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::garbage::Pin;
use crate::range::Span;
use crate::rows::unsigned;
use crate::{Error, Result};

/// Bytes of one trip to the disk. Two of them are in memory for each reader at most.
const CHUNK: u64 = 512 * 1024;

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
    pub(crate) blob: BlobId,
    offset: u64,
    length: u64,
}

impl Piece {
    /// The whole of a part, from a row of its size and blob.
    pub(crate) fn from_row(row: &rusqlite::Row<'_>) -> Result<Self> {
        let blob = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let blob = BlobId::parse(blob).ok_or(Error::Corrupt("the name of a file"))?;
        Ok(Self { blob, offset: 0, length: unsigned(row.get(0)?) })
    }
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
        blobs: selvedge_blob::Store,
        pin: Pin,
        pieces: &[Piece],
        span: Span,
    ) -> io::Result<Self> {
        let reader = Reader { blobs, open: None, pieces: select(pieces, span), _pin: pin };
        let (reader, first) = spawn_blocking(move || reader.read()).await??;
        Ok(if reader.is_at_end() {
            Self::Inline(first)
        } else {
            Self::Stream(ContentStream { next: None, first: Some((reader, first)) })
        })
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
            selected.push_back(Piece { blob: piece.blob.clone(), offset: from - start, length: to - from });
        }
        start = end;
    }
    selected
}

/// Reads pieces one after the other.
#[derive(Debug)]
struct Reader {
    blobs: selvedge_blob::Store,
    open: Option<File>,
    /// The first one is being read, from where it is now.
    pieces: VecDeque<Piece>,
    _pin: Pin,
}

impl Reader {
    fn is_at_end(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The next bytes; none at the end.
    fn read(mut self) -> io::Result<(Self, Bytes)> {
        let Some(piece) = self.pieces.front_mut() else { return Ok((self, Bytes::new())) };
        let mut file = if let Some(file) = self.open.take() {
            file
        } else {
            let mut file = self.blobs.open_file(&piece.blob)?;
            file.seek(SeekFrom::Start(piece.offset))?;
            file
        };
        let wanted = piece.length.min(CHUNK);
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let read = file.by_ref().take(wanted).read_to_end(&mut bytes)? as u64;
        if read < wanted {
            let text = format!("the file {} is shorter than it was written", piece.blob);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        piece.length -= read;
        if piece.length == 0 {
            self.pieces.pop_front();
        } else {
            self.open = Some(file);
        }
        Ok((self, bytes.into()))
    }
}

/// The bytes in their order, read one chunk ahead. It ends early only with an error.
#[derive(Debug)]
pub struct ContentStream {
    first: Option<(Reader, Bytes)>,
    next: Option<JoinHandle<io::Result<(Reader, Bytes)>>>,
}

impl ContentStream {
    fn hand_out(&mut self, reader: Reader, bytes: Bytes) -> Bytes {
        if !reader.is_at_end() {
            self.next = Some(spawn_blocking(move || reader.read()));
        }
        bytes
    }
}

impl Stream for ContentStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pinned<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((reader, bytes)) = self.first.take() {
            return Poll::Ready(Some(Ok(self.hand_out(reader, bytes))));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let read = ready!(next.poll_unpin(context));
        self.next = None;
        let read = read.map_err(io::Error::other).flatten();
        Poll::Ready(Some(read.map(|(reader, bytes)| self.hand_out(reader, bytes))))
    }
}
