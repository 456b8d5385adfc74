//! What a damaged segment still has: every record that is whole goes into a segment that is, and the damaged one
//! aside.

use std::path::Path;
use std::sync::Arc;

use super::aside;
use super::builder::Builder;
use super::error::{HistoryError, Result};
use super::format::{Kind, RECORD_HEADER, RECORD_MAGIC, RecordHeader, SEGMENT_HEADER, SegmentHeader, hash};
use super::log::{Part, sync_directory};
use super::segment::{Entry, Place, Reader, Segment};
use super::wal::read_up_to;

/// Finds a page of a number that has a hash, somewhere else.
pub(crate) type Find<'a> = dyn FnMut(u32, u64) -> Option<Vec<u8>> + 'a;

pub(crate) struct Salvaged {
    /// One for each run of records that follow each other.
    pub(crate) parts: Vec<Part>,
    /// Pages that came from somewhere else.
    pub(crate) found: usize,
}

/// Writes what is whole at `path`, and what `find` makes whole, anew. `header` is what the segment's should be.
pub(crate) fn salvage(
    log: &Path,
    path: &Path,
    header: &SegmentHeader,
    find: &mut Find<'_>,
) -> Result<Salvaged> {
    let mut reader = Reader::open_as(path, *header)?;
    let mut salvaged = Salvaged { parts: Vec::new(), found: 0 };
    let mut built: Vec<(Builder, SegmentHeader)> = Vec::new();
    let mut offset = SEGMENT_HEADER as u64;
    let mut pages = Vec::new();
    while let Some(entry) = next_record(path, &reader, offset)? {
        let Some(found) = whole(&mut reader, &entry, find, &mut pages)? else {
            offset = entry.offset + 1;
            continue;
        };
        salvaged.found += found;
        offset = entry.offset + entry.record.length;
        let RecordHeader { first, .. } = entry.record;
        let follows = built.last().is_some_and(|(builder, _)| builder.summary().last + 1 == first);
        if !follows {
            let temporary = log.join(Segment::file_name(header.kind, first)).with_extension("tmp");
            let header = SegmentHeader { first, ..*header };
            built.push((Builder::create(&temporary, &header)?, header));
        }
        if let Some((builder, _)) = built.last_mut() {
            builder.begin()?;
            for (page, place, bytes) in &pages {
                match bytes {
                    Some(bytes) => builder.page(*page, bytes)?,
                    None => builder.stored(*page, place.hash, reader.stored(*place)?)?,
                }
            }
            builder.finish(entry.record)?;
        }
    }
    let mut named = Vec::new();
    for (builder, header) in built {
        let summary = builder.seal()?;
        named.push((header, summary));
    }
    aside::keep(log, path)?;
    for (header, summary) in named {
        let name = log.join(Segment::file_name(header.kind, header.first));
        std::fs::rename(name.with_extension("tmp"), &name).map_err(HistoryError::at(&name))?;
        let segment = Arc::new(Segment::new(name, header.kind, header.first));
        salvaged.parts.push(Part { segment, summary });
    }
    if salvaged.parts.iter().all(|part| part.segment.path != path) {
        std::fs::remove_file(path).map_err(HistoryError::at(path))?;
    }
    sync_directory(log)?;
    Ok(salvaged)
}

/// Whether there is a record behind `offset`, which is where reading one after the other has come to an end. A
/// crash leaves none there.
pub(crate) fn has_more(path: &Path, reader: &Reader, offset: u64) -> Result<bool> {
    Ok(next_record(path, reader, offset)?.is_some())
}

/// Gives the segment at `path` the header that it should have, when there is a record behind that.
pub(crate) fn mend_header(log: &Path, path: &Path, header: &SegmentHeader) -> Result<bool> {
    let reader = Reader::open_as(path, *header)?;
    let first = reader.record(SEGMENT_HEADER as u64)?;
    let fits = |entry: &Entry| match header.kind {
        Kind::Snapshot => entry.record.last == header.first,
        Kind::Commits | Kind::Merged => entry.record.first == header.first,
    };
    if !first.as_ref().is_some_and(fits) {
        return Ok(false);
    }
    aside::copy(log, path)?;
    let file = std::fs::File::options().write(true).open(path).map_err(HistoryError::at(path))?;
    std::os::unix::fs::FileExt::write_all_at(&file, &header.encode(), 0).map_err(HistoryError::at(path))?;
    file.sync_all().map_err(HistoryError::at(path))?;
    Ok(true)
}

type Pages = Vec<(u32, Place, Option<Vec<u8>>)>;

/// Puts the pages of a record into `pages`, those with bytes that come from elsewhere. `None` when it is not whole;
/// otherwise how many came.
fn whole(
    reader: &mut Reader,
    entry: &Entry,
    find: &mut Find<'_>,
    pages: &mut Pages,
) -> Result<Option<usize>> {
    pages.clear();
    let Some(directory) = unless_damaged(reader.directory(entry))? else { return Ok(None) };
    let mut bytes = Vec::new();
    let mut found = 0;
    for (page, place) in directory {
        if unless_damaged(reader.page(place, &mut bytes))?.is_some() {
            pages.push((page, place, None));
            continue;
        }
        let Some(bytes) = find(page, place.hash).filter(|bytes| hash(bytes) == place.hash) else {
            return Ok(None);
        };
        found += 1;
        pages.push((page, place, Some(bytes)));
    }
    Ok(Some(found))
}

fn unless_damaged<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(HistoryError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The next record at or behind `offset`, whatever is between.
fn next_record(path: &Path, reader: &Reader, mut offset: u64) -> Result<Option<Entry>> {
    const WINDOW: usize = 1 << 20;
    if let Some(entry) = reader.record(offset)? {
        return Ok(Some(entry));
    }
    let mut window = vec![0; WINDOW + RECORD_HEADER];
    loop {
        let read = read_up_to(reader.file(), &mut window, offset).map_err(HistoryError::at(path))?;
        for at in memchr_all(&window[..read]) {
            if at < WINDOW
                && let Some(entry) = reader.record(offset + at as u64)?
            {
                return Ok(Some(entry));
            }
        }
        if read < window.len() {
            return Ok(None);
        }
        offset += WINDOW as u64;
    }
}

/// Where the mark of a record is.
fn memchr_all(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(RECORD_MAGIC.len()).enumerate().filter(|(_, w)| *w == RECORD_MAGIC).map(|(at, _)| at)
}
