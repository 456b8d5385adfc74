//! The files of the log against their checksums, and each other.

use std::collections::HashMap;

use rusqlite::Connection;
use selvedge_base::on_one_line;

use crate::history::History;
use crate::history::error::{HistoryError, Result};
use crate::history::format::{Kind, SEGMENT_HEADER, hash};
use crate::history::log::{Part, Picture};
use crate::history::pages::read_one;
use crate::history::report::{CheckReport, Problem, ProblemKind};
use crate::history::salvage::{mend_header, salvage};
use crate::history::segment::{Place, Reader};

/// A damaged file, and which of the report's problems is about it.
pub(super) struct Damaged {
    part: Part,
    problem: usize,
}

impl History {
    /// Reads every segment, all of it.
    pub(super) fn check_segments(&self, report: &mut CheckReport) -> Result<Vec<Damaged>> {
        let picture = self.log.picture();
        let newest = picture.parts.last().map(|part| part.segment.path.clone());
        let mut damaged = Vec::new();
        for part in picture.snapshots.iter().chain(&picture.parts) {
            let grows = newest.as_ref() == Some(&part.segment.path);
            match self.check_segment(part, grows, report) {
                Ok(()) => {}
                Err(HistoryError::Damaged { path, what }) => {
                    damaged.push(Damaged { part: part.clone(), problem: report.problems.len() });
                    report.problems.push(Problem::new(ProblemKind::Segment, path, what));
                }
                Err(HistoryError::File { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && !self.is_in_use(part) => {}
                Err(error @ HistoryError::File { .. }) => {
                    let what = format!("it cannot be read: {}", on_one_line(&error));
                    report.problems.push(Problem::new(ProblemKind::Segment, &part.segment.path, what));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    fn is_in_use(&self, part: &Part) -> bool {
        let picture = self.log.picture();
        picture.snapshots.iter().chain(&picture.parts).any(|p| p.segment.path == part.segment.path)
    }

    fn check_segment(&self, part: &Part, grows: bool, report: &mut CheckReport) -> Result<()> {
        let path = &part.segment.path;
        let mut reader = Reader::open(path)?;
        let header = self.log.header(part.segment.kind, part.segment.first);
        if reader.header != header {
            return Err(HistoryError::damaged(path, "its header is that of another file"));
        }
        if !grows && reader.summary()? != Some(part.summary) {
            return Err(HistoryError::damaged(path, "its trailer is not one"));
        }
        report.segments += 1;
        report.bytes += part.summary.end;
        let mut page = Vec::new();
        let mut last = None;
        for entry in reader.entries(part.summary.end)? {
            if last.is_some_and(|last: u64| last + 1 != entry.record.first) {
                return Err(HistoryError::damaged(path, "a record is missing"));
            }
            last = Some(entry.record.last);
            for (_, place) in reader.directory(&entry)? {
                reader.page(place, &mut page)?;
            }
            report.records += 1;
        }
        if last.unwrap_or(0) != part.summary.last {
            return Err(HistoryError::damaged(path, "it ends early"));
        }
        Ok(())
    }

    /// Mends segments with what the database and the others have, and keeps of the others what is whole.
    pub(super) fn repair_segments(
        &self,
        connection: &Connection,
        damaged: Vec<Damaged>,
        report: &mut CheckReport,
    ) -> Result<()> {
        if damaged.is_empty() {
            return Ok(());
        }
        // What grows could not be replaced; and nobody else may replace anything now.
        self.shared.wait_sealed()?;
        let _turn = self.upkeep.hold();
        let picture = self.log.picture();
        let mut elsewhere = Elsewhere::new(&picture);
        for Damaged { part, problem } in damaged {
            let (path, kind) = (part.segment.path.clone(), part.segment.kind);
            if !self.is_in_use(&part) {
                report.problems[problem].repaired = true;
                continue;
            }
            let header = self.log.header(kind, part.segment.first);
            let mut find = |page, wanted| {
                let is = read_one(connection, page).ok().filter(|is| hash(is) == wanted);
                is.or_else(|| elsewhere.find(page, wanted))
            };
            let before = part.summary;
            if Reader::open(&path).is_err() && mend_header(&self.log.directory, &path, &header)? {
                report.problems[problem].add("its name says what it should be");
            }
            let salvaged = salvage(&self.log.directory, &path, &header, &mut find)?;
            let records: u64 = salvaged.parts.iter().map(|part| part.summary.records).sum();
            let problem = &mut report.problems[problem];
            if salvaged.found > 0 {
                problem.add(&format!("{} pages were found elsewhere", salvaged.found));
            }
            self.log.exchange(&part, salvaged.parts);
            problem.repaired = true;
            if kind == Kind::Snapshot && records == 0 {
                match self.upkeep.snapshot_at(before.last) {
                    Ok(()) => problem.add("it was made again from older ones"),
                    Err(_) => problem.add("nothing has what it had"),
                }
            } else if records < before.records {
                let lost = before.records - records;
                problem.add(&format!("{lost} of {} records are lost", before.records));
            }
        }
        Ok(())
    }
}

/// Pages in other segments, by number and hash.
struct Elsewhere<'a> {
    picture: &'a Picture,
    index: Option<Index>,
}

/// Where there is a page of this number and with this hash: in which segment, and where there.
type Index = HashMap<(u32, u64), Vec<(usize, Place)>>;

impl<'a> Elsewhere<'a> {
    fn new(picture: &'a Picture) -> Self {
        Self { picture, index: None }
    }

    fn parts(&self) -> impl Iterator<Item = &'a Part> {
        self.picture.snapshots.iter().chain(&self.picture.parts)
    }

    fn find(&mut self, page: u32, wanted: u64) -> Option<Vec<u8>> {
        if self.index.is_none() {
            self.index = Some(self.make_index());
        }
        let places = self.index.as_ref()?.get(&(page, wanted))?;
        places.iter().find_map(|&(index, place)| {
            let mut bytes = Vec::new();
            let mut reader = Reader::open(&self.parts().nth(index)?.segment.path).ok()?;
            reader.page(place, &mut bytes).ok()?;
            Some(bytes)
        })
    }

    /// Of what can be read.
    fn make_index(&self) -> Index {
        let mut index = Index::new();
        for (at, part) in self.parts().enumerate() {
            let Ok(reader) = Reader::open(&part.segment.path) else { continue };
            let mut offset = SEGMENT_HEADER as u64;
            while offset < part.summary.end {
                let Ok(Some(entry)) = reader.record(offset) else { break };
                offset += entry.record.length;
                for (page, place) in reader.directory(&entry).unwrap_or_default() {
                    index.entry((page, place.hash)).or_default().push((at, place));
                }
            }
        }
        index
    }
}
