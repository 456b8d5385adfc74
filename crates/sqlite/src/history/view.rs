//! The database as it was at some position: where the log has each of its pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{HistoryError, Result};
use super::format::{RecordHeader, Summary};
use super::log::{Log, Part, Picture};
use super::segment::{Entry, Place, Reader, Segment};

/// A moment that can be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub position: u64,
    /// When it was committed, in milliseconds since 1970.
    pub ms: u64,
}

impl Point {
    fn of(record: &RecordHeader) -> Self {
        Self { position: record.last, ms: record.ms }
    }
}

/// Where each page is. A page that no record has since the database last grew over it is one that SQLite never
/// wrote; its content does not matter.
pub(crate) struct View {
    /// Pages of the database.
    pub(crate) pages: u32,
    pub(crate) page_size: u32,
    pub(crate) places: BTreeMap<u32, (usize, Place)>,
    segments: Vec<Arc<Segment>>,
    readers: Vec<Option<Reader>>,
}

impl Picture {
    /// The oldest moment that can be restored.
    pub(crate) fn oldest(&self) -> Result<Point> {
        let part = self.snapshots.first().ok_or(HistoryError::TooEarly)?;
        Ok(Point { position: part.summary.last, ms: part.summary.last_ms })
    }

    /// The last moment that can be restored and is not behind `position`.
    pub(crate) fn at_or_before(&self, position: u64) -> Result<Point> {
        let found =
            self.last_where(|part| part.segment.first <= position, |record| record.last <= position)?;
        self.check_reach(found, |start| start.position <= position)
    }

    /// The last moment that can be restored and was not after `ms`.
    pub(crate) fn at_time(&self, ms: u64) -> Result<Point> {
        let found = self.last_where(
            |part| part.summary.records > 0 && part.summary.first_ms <= ms,
            |record| record.ms <= ms,
        )?;
        self.check_reach(found, |start| start.ms <= ms)
    }

    /// `found`, if nothing that is lost may have come between it and what was asked for. `is_earlier` says of a
    /// point that it is not behind that.
    fn check_reach(&self, found: Point, is_earlier: impl Fn(&Point) -> bool) -> Result<Point> {
        let stretches = self.stretches();
        let holes = stretches.windows(2).map(|pair| (pair[0].1, pair[1].0));
        for (after, before) in holes {
            // Of what is known behind the last good one, nobody knows what was before it.
            let next = Point { position: after.position + 1, ms: after.ms };
            let in_hole = found.position > after.position && found.position < before.position;
            if in_hole || (found.position == after.position && is_earlier(&next)) {
                return Err(HistoryError::Lost { after, before });
            }
        }
        let Some(&(first, _)) = stretches.first() else { return Err(HistoryError::TooEarly) };
        let end = stretches.last().map_or(first, |&(_, end)| end);
        if found.position < first.position {
            return Err(HistoryError::TooEarly);
        }
        if found.position > end.position {
            return Err(HistoryError::Lost { after: end, before: found });
        }
        Ok(found)
    }

    fn last_where(
        &self,
        part_may: impl Fn(&Part) -> bool,
        fits: impl Fn(&RecordHeader) -> bool,
    ) -> Result<Point> {
        let mut best = None;
        for part in self.parts.iter().rev().filter(|part| part_may(part)) {
            let entries = Reader::open(&part.segment.path)?.entries(part.summary.end)?;
            best = entries.iter().rev().find(|entry| fits(&entry.record)).map(|e| Point::of(&e.record));
            if best.is_some() {
                break;
            }
        }
        for part in &self.snapshots {
            let Summary { last, last_ms, .. } = part.summary;
            let record = RecordHeader { first: last, last, ms: last_ms, ..RecordHeader::default() };
            if fits(&record) && best.is_none_or(|best| best.position < last) {
                best = Some(Point::of(&record));
            }
        }
        best.ok_or(HistoryError::TooEarly)
    }

    /// The records between `after` and `until`, both of which are restorable, newest first.
    fn between(
        &self,
        after: u64,
        until: u64,
        mut each: impl FnMut(usize, &Reader, &Entry) -> Result<()>,
    ) -> Result<()> {
        let mut expected = until;
        for (index, part) in self.parts.iter().enumerate().rev() {
            if part.segment.first > until || part.summary.records == 0 {
                continue;
            }
            if expected <= after || part.summary.last <= after {
                break;
            }
            let reader = Reader::open(&part.segment.path)?;
            for entry in reader.entries(part.summary.end)?.iter().rev() {
                if entry.record.last > until {
                    continue;
                }
                if expected <= after {
                    break;
                }
                if entry.record.last != expected {
                    break;
                }
                each(index, &reader, entry)?;
                expected = entry.record.first - 1;
            }
        }
        if expected > after {
            let path = self.parts.first().or(self.snapshots.first()).map(|p| p.segment.path.clone());
            return Err(HistoryError::damaged(
                path.as_deref().and_then(std::path::Path::parent).unwrap_or(std::path::Path::new("")),
                format!("the records from {:x} to {expected:x} are missing", after + 1),
            ));
        }
        Ok(())
    }
}

impl View {
    /// The database at `position`, which must be a restorable one. With `wanted`, only those pages.
    pub(crate) fn at(
        log: &Log,
        picture: &Picture,
        position: u64,
        wanted: Option<&BTreeSet<u32>>,
    ) -> Result<Self> {
        let snapshot = picture.snapshots.iter().rfind(|part| part.summary.last <= position);
        let snapshot = snapshot.ok_or(HistoryError::TooEarly)?;
        let mut segments: Vec<_> = picture.parts.iter().map(|part| Arc::clone(&part.segment)).collect();
        let mut places = BTreeMap::new();
        let mut pages = None;
        // Of the records that come later, up to `position`: what lies behind this was cut off.
        let mut limit = u32::MAX;
        let mut take = |index: usize, reader: &Reader, entry: &Entry| {
            pages.get_or_insert(entry.record.pages);
            limit = limit.min(entry.record.pages);
            for (page, place) in reader.directory(entry)? {
                if page <= limit && wanted.is_none_or(|wanted| wanted.contains(&page)) {
                    places.entry(page).or_insert((index, place));
                }
            }
            Ok(())
        };
        picture.between(snapshot.summary.last, position, &mut take)?;
        let index = segments.len();
        segments.push(Arc::clone(&snapshot.segment));
        let reader = Reader::open(&snapshot.segment.path)?;
        for entry in reader.entries(snapshot.summary.end)? {
            take(index, &reader, &entry)?;
        }
        let pages = pages.unwrap_or(0);
        let readers = segments.iter().map(|_| None).collect();
        Ok(Self { pages, page_size: log.page_size, places, segments, readers })
    }

    /// The pages that differ between `position` and the newest record: what a restore has to write.
    pub(crate) fn changed_since(picture: &Picture, position: u64, head: u64) -> Result<BTreeSet<u32>> {
        let mut changed = BTreeSet::new();
        let (mut smallest, mut largest) = (u32::MAX, 0);
        picture.between(position, head, |_, reader, entry| {
            smallest = smallest.min(entry.record.pages);
            largest = largest.max(entry.record.pages);
            changed.extend(reader.directory(entry)?.into_iter().map(|(page, _)| page));
            Ok(())
        })?;
        // What was cut off must come back, whoever cut it.
        let was = View::size_at(picture, position)?;
        changed.extend(smallest.saturating_add(1)..=was);
        Ok(changed)
    }

    fn size_at(picture: &Picture, position: u64) -> Result<u32> {
        let mut best: Option<RecordHeader> = None;
        let parts =
            picture.parts.iter().rfind(|part| part.summary.records > 0 && part.segment.first <= position);
        let snapshot = picture.snapshots.iter().rfind(|part| part.summary.last <= position);
        for part in parts.into_iter().chain(snapshot) {
            let entries = Reader::open(&part.segment.path)?.entries(part.summary.end)?;
            let found = entries.iter().rfind(|entry| entry.record.last <= position).map(|entry| entry.record);
            if found.is_some_and(|found| best.is_none_or(|best| found.last > best.last)) {
                best = found;
            }
        }
        best.map(|record| record.pages).ok_or(HistoryError::TooEarly)
    }

    /// Reads and checks a page. False when the log has none, which means that its content does not matter.
    pub(crate) fn read(&mut self, page: u32, bytes: &mut Vec<u8>) -> Result<bool> {
        let Some(&(index, place)) = self.places.get(&page) else { return Ok(false) };
        self.reader(index)?.page(place, bytes)?;
        Ok(true)
    }

    /// Reads and checks every page.
    pub(crate) fn check(&mut self) -> Result<()> {
        let mut bytes = Vec::new();
        let pages: Vec<u32> = self.places.keys().copied().collect();
        pages.into_iter().try_for_each(|page| self.read(page, &mut bytes).map(drop))
    }

    /// As [`View::read`], but as it is stored.
    pub(crate) fn stored(&mut self, index: usize, place: Place) -> Result<&[u8]> {
        self.reader(index)?.stored(place)
    }

    fn reader(&mut self, index: usize) -> Result<&mut Reader> {
        let slot = &mut self.readers[index];
        if slot.is_none() {
            *slot = Some(Reader::open(&self.segments[index].path)?);
        }
        slot.as_mut().ok_or(HistoryError::Closed)
    }
}
