//! The database against itself.

use rusqlite::Connection;

use super::{FsckOptions, FsckReport, ProblemKind};
use crate::rows::unsigned;
use crate::{Bucket, Result, garbage};

/// Rows of bytes that nobody has.
const DANGLING_INLINE: &str = "SELECT content FROM inline WHERE content NOT IN (SELECT content FROM objects)";
const DANGLING_PARTS: &str = "SELECT DISTINCT content FROM parts WHERE content NOT IN
    (SELECT content FROM objects UNION ALL SELECT content FROM uploads WHERE finished IS NULL)";
/// Objects with no bytes at all.
const BARE: &str = "SELECT key FROM objects WHERE content NOT IN
    (SELECT content FROM inline UNION ALL SELECT content FROM parts)";
/// Objects whose parts have another size together.
const SIZES: &str = "SELECT objects.key, objects.size, sum(parts.size) FROM objects
    JOIN parts ON parts.content = objects.content GROUP BY objects.key HAVING sum(parts.size) <> objects.size";
const USAGE: &str = "SELECT count(*) FROM usage WHERE class <> 'uploads' AND (
        objects <> (SELECT count(*) FROM objects WHERE objects.class = usage.class) OR
        bytes <> (SELECT coalesce(sum(size), 0) FROM objects WHERE objects.class = usage.class)
    ) OR class = 'uploads' AND objects <> (SELECT count(*) FROM uploads WHERE finished IS NULL)";
const RECOUNT: &str = "UPDATE usage SET
        objects = CASE class WHEN 'uploads' THEN (SELECT count(*) FROM uploads WHERE finished IS NULL)
            ELSE (SELECT count(*) FROM objects WHERE objects.class = usage.class) END,
        bytes = CASE class WHEN 'uploads' THEN 0
            ELSE (SELECT coalesce(sum(size), 0) FROM objects WHERE objects.class = usage.class) END";

/// Rows of bytes looked at in one go.
const PAGE: i64 = 256;

impl Bucket {
    pub(super) async fn check_rows(&self, options: FsckOptions, report: &mut FsckReport) -> Result<()> {
        let found = self.inner.database.read_long(look).await??;
        let dangling = !found.dangling.is_empty();
        report.problems.extend(found.problems);
        for content in &found.dangling {
            report.add(
                ProblemKind::Dangling,
                None,
                None,
                format!("bytes number {content} belong to nothing"),
            );
        }
        if found.usage_is_wrong {
            report.add(ProblemKind::Usage, None, None, "the count of what the bucket holds is wrong");
        }
        if options.repair && (dangling || found.usage_is_wrong) {
            self.write(move |c| {
                let mut garbage = false;
                // Again, in the transaction: nobody can have come in between.
                for content in contents(c, DANGLING_INLINE)?.into_iter().chain(contents(c, DANGLING_PARTS)?) {
                    garbage |= garbage::discard(c, content)?;
                }
                c.execute(RECOUNT, [])?;
                Ok(((), garbage))
            })
            .await?;
            let mended = |kind| matches!(kind, ProblemKind::Dangling | ProblemKind::Usage);
            report.problems.iter_mut().filter(|p| mended(p.kind)).for_each(|p| p.repaired = true);
        }
        self.check_inline(report).await
    }

    /// Bytes that are rows, against their checksums.
    async fn check_inline(&self, report: &mut FsckReport) -> Result<()> {
        let mut last = -1_i64;
        loop {
            let page = self.inner.database.read_long(move |c| inline_page(c, last)).await??;
            report.inline += page.rows;
            report.bytes += page.bytes;
            for (content, what) in page.wrong {
                let key = self.inner.database.read_long(move |c| owner(c, content)).await??;
                // Nobody has it any more: it was replaced meanwhile.
                if let Some(key) = key {
                    report.add(ProblemKind::Damaged, Some(key), None, what);
                }
            }
            match page.last {
                Some(content) => last = content,
                None => return Ok(()),
            }
        }
    }
}

#[derive(Default)]
struct Looked {
    problems: Vec<super::Problem>,
    dangling: Vec<i64>,
    usage_is_wrong: bool,
}

fn look(c: &Connection) -> Result<Looked> {
    let mut report = FsckReport::default();
    let mut looked = Looked::default();
    let mut check = c.prepare("PRAGMA quick_check(20)")?;
    for line in check.query_map([], |row| row.get::<_, String>(0))? {
        let line = line?;
        if line != "ok" {
            report.add(ProblemKind::Database, None, None, line);
        }
    }
    looked.dangling = contents(c, DANGLING_INLINE)?;
    looked.dangling.extend(contents(c, DANGLING_PARTS)?);
    let mut bare = c.prepare(BARE)?;
    for key in bare.query_map([], |row| row.get(0))? {
        report.add(ProblemKind::Missing, Some(key?), None, "the object has no bytes");
    }
    let mut sizes = c.prepare(SIZES)?;
    let size = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    for row in sizes.query_map([], size)? {
        let (key, says, has) = row?;
        let what = format!("the object says {says} bytes and its parts have {has}");
        report.add(ProblemKind::Size, Some(key), None, what);
    }
    looked.usage_is_wrong = c.query_row(USAGE, [], |row| row.get::<_, i64>(0))? > 0;
    looked.problems = report.problems;
    Ok(looked)
}

fn contents(c: &Connection, sql: &str) -> Result<Vec<i64>> {
    let mut statement = c.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

struct InlinePage {
    rows: u64,
    bytes: u64,
    wrong: Vec<(i64, String)>,
    last: Option<i64>,
}

fn inline_page(c: &Connection, after: i64) -> Result<InlinePage> {
    let mut statement = c.prepare_cached(
        "SELECT content, bytes, sum FROM inline WHERE content > ?1 ORDER BY content LIMIT ?2",
    )?;
    let mut rows = statement.query((after, PAGE))?;
    let mut page = InlinePage { rows: 0, bytes: 0, wrong: Vec::new(), last: None };
    while let Some(row) = rows.next()? {
        let content = row.get(0)?;
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let sum: Option<u32> = row.get(2)?;
        if sum.is_some_and(|sum| sum != crc_fast::crc32_iscsi(bytes)) {
            page.wrong.push((content, "the bytes in the database are not those written".to_owned()));
        }
        page.rows += 1;
        page.bytes += bytes.len() as u64;
        page.last = Some(content);
    }
    Ok(page)
}

/// The key of whose bytes these are. Looks at every object, which is bearable for what is wrong.
pub(super) fn owner(c: &Connection, content: i64) -> Result<Option<String>> {
    let mut statement = c.prepare_cached(
        "SELECT key FROM objects WHERE content = ?1
         UNION ALL SELECT key FROM uploads WHERE content = ?1 AND finished IS NULL",
    )?;
    let mut rows = statement.query([content])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

/// How many bytes `row`'s column says.
pub(super) fn size(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(unsigned(row.get(index)?))
}
