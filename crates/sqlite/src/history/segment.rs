//! One file of the log, as it is read.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{HistoryError, Result};
use super::format::{
    BadHeader, DIRECTORY_ENTRY, DirectoryEntry, Kind, RECORD_HEADER, RecordHeader, SEGMENT_HEADER,
    SegmentHeader, Summary, TRAILER, VERSION, hash,
};
use super::wal::read_up_to;

/// The file goes when the last that looks at it does, once it is [doomed](Segment::doom).
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) first: u64,
    doomed: AtomicBool,
}

impl Segment {
    pub(crate) fn new(path: PathBuf, kind: Kind, first: u64) -> Self {
        Self { path, kind, first, doomed: AtomicBool::new(false) }
    }

    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn file_name(kind: Kind, first: u64) -> String {
        format!("{first:016x}.{}", kind.extension())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Relaxed)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a segment that nobody needs stays");
        }
    }
}

/// A record and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) record: RecordHeader,
}

/// Where a page is in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) hash: u64,
}

/// An open segment.
pub(crate) struct Reader {
    path: PathBuf,
    /// Shared, as there may be very many who read the same segment.
    file: Arc<File>,
    pub(crate) header: SegmentHeader,
    stored: Vec<u8>,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(HistoryError::at(path))?;
        let mut bytes = [0; SEGMENT_HEADER];
        if read_up_to(&file, &mut bytes, 0).map_err(HistoryError::at(path))? < SEGMENT_HEADER {
            return Err(HistoryError::damaged(path, "it is shorter than its header"));
        }
        let header = SegmentHeader::decode(&bytes).map_err(|bad| match bad {
            BadHeader::Damaged => HistoryError::damaged(path, "its header is not one"),
            BadHeader::Newer(found) => {
                HistoryError::NewerFormat { path: path.to_owned(), found, known: VERSION }
            }
        })?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), header, stored: Vec::new() })
    }

    /// As [`Reader::open`], whatever the file's own header says.
    pub(crate) fn open_as(path: &Path, header: SegmentHeader) -> Result<Self> {
        let file = File::open(path).map_err(HistoryError::at(path))?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), header, stored: Vec::new() })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The same segment once more, for somebody else.
    pub(crate) fn again(&self) -> Self {
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        Self { path, file, header: self.header, stored: Vec::new() }
    }

    /// What the trailer says; `None` when the segment has none.
    pub(crate) fn summary(&self) -> Result<Option<Summary>> {
        let length = self.file.metadata().map_err(HistoryError::at(&self.path))?.len();
        let Some(at) = length.checked_sub(TRAILER as u64) else { return Ok(None) };
        let mut bytes = [0; TRAILER];
        self.file.read_exact_at(&mut bytes, at).map_err(HistoryError::at(&self.path))?;
        Ok(Summary::decode(&bytes).filter(|summary| summary.end == at))
    }

    /// The record at `offset`; `None` when there is no whole header.
    pub(crate) fn record(&self, offset: u64) -> Result<Option<Entry>> {
        let mut bytes = [0; RECORD_HEADER];
        if read_up_to(&self.file, &mut bytes, offset).map_err(HistoryError::at(&self.path))? < RECORD_HEADER {
            return Ok(None);
        }
        Ok(RecordHeader::decode(&bytes).map(|record| Entry { offset, record }))
    }

    /// All records up to byte `end`.
    pub(crate) fn entries(&self, end: u64) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut offset = SEGMENT_HEADER as u64;
        while offset < end {
            let entry = self.record(offset)?.ok_or_else(|| self.damaged(offset, "there is no record"))?;
            offset += entry.record.length;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The pages of a record and where they are.
    pub(crate) fn directory(&self, entry: &Entry) -> Result<Vec<(u32, Place)>> {
        let Entry { offset, record } = *entry;
        let size = record.count as usize * DIRECTORY_ENTRY;
        if record.directory.checked_add(size as u64) != Some(record.length) {
            return Err(self.damaged(offset, "the record has no room for its directory"));
        }
        let mut bytes = vec![0; size];
        self.read_exact(&mut bytes, offset + record.directory)?;
        if hash(&bytes) != record.directory_hash {
            return Err(self.damaged(offset, "the record's directory does not have its checksum"));
        }
        let mut at = offset + RECORD_HEADER as u64;
        let pages = bytes.chunks_exact(DIRECTORY_ENTRY).map(|bytes| {
            let DirectoryEntry { page, length, hash } = DirectoryEntry::decode(bytes);
            let place = Place { offset: at, length, hash };
            at += u64::from(length);
            (page, place)
        });
        Ok(pages.collect())
    }

    /// The bytes of a page as they are stored.
    pub(crate) fn stored(&mut self, place: Place) -> Result<&[u8]> {
        if place.length > self.header.page_size {
            return Err(self.damaged(place.offset, "a page is longer than a page"));
        }
        let mut stored = std::mem::take(&mut self.stored);
        stored.resize(place.length as usize, 0);
        let read = self.read_exact(&mut stored, place.offset);
        self.stored = stored;
        read?;
        Ok(&self.stored)
    }

    /// Reads and checks a page.
    pub(crate) fn page(&mut self, place: Place, page: &mut Vec<u8>) -> Result<()> {
        let size = self.header.page_size as usize;
        self.stored(place)?;
        page.resize(size, 0);
        let whole = if place.length as usize == size {
            page.copy_from_slice(&self.stored);
            true
        } else {
            lz4_flex::block::decompress_into(&self.stored, page).is_ok_and(|length| length == size)
        };
        if whole && hash(page) == place.hash {
            Ok(())
        } else {
            Err(self.damaged(place.offset, "a page does not have its checksum"))
        }
    }

    /// Where the records that are whole, pages included, end; and what they sum up to. A crash leaves less than a
    /// record at the end of the segment that was being written.
    pub(crate) fn recover(&mut self) -> Result<(Summary, Vec<Entry>)> {
        let mut summary = Summary { end: SEGMENT_HEADER as u64, ..Summary::default() };
        let mut entries = Vec::new();
        let mut page = Vec::new();
        while let Some(entry) = self.record(summary.end)? {
            let follows =
                entries.last().is_none_or(|last: &Entry| last.record.last + 1 == entry.record.first);
            let whole = self.directory(&entry).and_then(|directory| {
                directory.into_iter().try_for_each(|(_, place)| self.page(place, &mut page))
            });
            match whole {
                Ok(()) if follows => {}
                // A disk that cannot be read is not the same as a record that was not written.
                Err(error @ HistoryError::File { .. }) => return Err(error),
                _ => break,
            }
            summary = summary.with(&entry.record);
            entries.push(entry);
        }
        Ok((summary, entries))
    }

    /// A file that ends too early is damaged; one that cannot be read is not the same.
    fn read_exact(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.damaged(offset, "the file ends too early"),
            _ => HistoryError::at(&self.path)(error),
        })
    }

    fn damaged(&self, offset: u64, what: &str) -> HistoryError {
        HistoryError::damaged(&self.path, format!("{what} (byte {offset})"))
    }
}
