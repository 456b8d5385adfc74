//! Prepared statements: a client's, and those that a connection has.

use std::collections::HashMap;
use std::sync::Arc;

use super::inspect::Inspected;
use super::wire::Fields;
use crate::cache::Verdict;

/// What a client has prepared. It exists on whichever connection it was executed on.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: Arc<[u8]>,
    pub(super) parameters: u16,
    /// The types of its parameters as they were bound last.
    pub(super) types: Vec<u8>,
    /// Values were sent ahead, to the connection that is held.
    pub(super) has_long_data: bool,
    pub(super) verdict: Verdict,
    pub(super) inspected: Inspected,
}

/// What is prepared on a connection.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    by_text: HashMap<Arc<[u8]>, Here>,
    clock: u64,
}

#[derive(Debug)]
struct Here {
    number: u32,
    parameters: u16,
    used: u64,
}

impl Prepared {
    /// The statement's number and parameters on this connection.
    pub(super) fn find(&mut self, sql: &[u8]) -> Option<(u32, u16)> {
        self.clock += 1;
        let here = self.by_text.get_mut(sql)?;
        here.used = self.clock;
        Some((here.number, here.parameters))
    }

    /// Adds one. Gives the number of the one that has to go for it.
    pub(super) fn add(&mut self, sql: Arc<[u8]>, number: u32, parameters: u16, most: usize) -> Option<u32> {
        self.clock += 1;
        let replaced = self.by_text.insert(sql, Here { number, parameters, used: self.clock });
        if let Some(replaced) = replaced {
            return Some(replaced.number);
        }
        if self.by_text.len() <= most.max(1) {
            return None;
        }
        let oldest = self.by_text.iter().min_by_key(|(_, here)| here.used).map(|(sql, _)| Arc::clone(sql))?;
        self.by_text.remove(&oldest).map(|here| here.number)
    }

    pub(super) fn clear(&mut self) {
        self.by_text.clear();
    }
}

/// A COM_STMT_EXECUTE, made to fit any connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Execution {
    /// The whole payload. The statement's number is at 1..5.
    pub(super) payload: Vec<u8>,
    /// Rows are to be fetched later.
    pub(super) has_cursor: bool,
}

/// The command, the statement's number, flags and the number of executions.
const FIXED: usize = 10;

impl Execution {
    /// From what a client sent. A client that bound its types once does not repeat them; another connection would
    /// not know them, so they are put in. `None`: the packet is broken.
    pub(super) fn new(payload: &[u8], statement: &mut Statement) -> Option<Self> {
        let has_cursor = *payload.get(5)? != 0;
        let parameters = usize::from(statement.parameters);
        if parameters == 0 {
            return Some(Self { payload: payload.get(..FIXED)?.to_vec(), has_cursor });
        }
        let mut fields = Fields(payload.get(FIXED..)?);
        let nulls = fields.bytes(parameters.div_ceil(8))?;
        let bound = fields.u8()?;
        if bound == 1 {
            statement.types = fields.bytes(parameters * 2)?.to_vec();
        } else if statement.types.len() != parameters * 2 {
            return None;
        }
        let mut whole = payload[..FIXED].to_vec();
        whole.extend_from_slice(nulls);
        whole.push(1);
        whole.extend_from_slice(&statement.types);
        whole.extend_from_slice(fields.0);
        Some(Self { payload: whole, has_cursor })
    }

    pub(super) fn renumber(&mut self, number: u32) {
        self.payload[1..5].copy_from_slice(&number.to_le_bytes());
    }

    /// What the answer depends on beside the statement.
    pub(super) fn values(&self) -> &[u8] {
        &self.payload[FIXED..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Dialect, classify};

    fn statement(parameters: u16) -> Statement {
        Statement {
            sql: b"SELECT ?".as_slice().into(),
            parameters,
            types: Vec::new(),
            has_long_data: false,
            verdict: classify(b"SELECT ?", Dialect::MySql),
            inspected: Inspected::default(),
        }
    }

    #[test]
    fn types_that_were_bound_once_are_sent_every_time() {
        let mut statement = statement(2);
        let first =
            [b"\x17\x01\0\0\0\0\x01\0\0\0".as_slice(), b"\0\x01\x03\0\xfd\0", b"\x05\0\0\0\x01a"].concat();
        let bound = Execution::new(&first, &mut statement).unwrap();
        assert_eq!(bound.payload, first);
        let again = [b"\x17\x01\0\0\0\0\x01\0\0\0".as_slice(), b"\0\0", b"\x05\0\0\0\x01a"].concat();
        let mut execution = Execution::new(&again, &mut statement).unwrap();
        assert_eq!(execution, bound);
        execution.renumber(0x0102_0304);
        assert_eq!(&execution.payload[..5], b"\x17\x04\x03\x02\x01");
        assert_eq!(execution.values(), bound.values());
    }

    #[test]
    fn broken_executions_are_refused() {
        let mut two = statement(2);
        for payload in [b"\x17".as_slice(), b"\x17\x01\0\0\0\0\x01\0\0\0", b"\x17\x01\0\0\0\0\x01\0\0\0\0\0"]
        {
            assert_eq!(Execution::new(payload, &mut two), None);
        }
        assert_eq!(Execution::new(b"\x17\x01\0\0", &mut statement(0)), None);
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_goes() {
        let mut prepared = Prepared::default();
        for (text, number) in [(b"a", 1), (b"b", 2)] {
            assert_eq!(prepared.add(text.as_slice().into(), number, 0, 2), None);
        }
        assert_eq!(prepared.find(b"a"), Some((1, 0)));
        assert_eq!(prepared.add(b"c".as_slice().into(), 3, 0, 2), Some(2));
        assert_eq!((prepared.find(b"b"), prepared.find(b"c")), (None, Some((3, 0))));
    }
}
