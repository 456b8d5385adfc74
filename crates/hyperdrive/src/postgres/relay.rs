//! Passing on bytes where they lie. What goes on unchanged is never copied; only around a change does it move.

/// Bytes on their way, with some left out and some put in.
pub(super) struct Relay<'a> {
    input: &'a [u8],
    /// From here on nothing is decided yet.
    start: usize,
    out: &'a mut Vec<u8>,
}

impl<'a> Relay<'a> {
    pub(super) fn new(input: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        out.clear();
        Self { input, start: 0, out }
    }

    /// Leaves out what lies between `from` and `to`. What lies before goes on.
    pub(super) fn leave_out(&mut self, from: usize, to: usize) {
        self.pass(from);
        self.start = to;
    }

    /// Puts `bytes` in before what lies at `at`.
    pub(super) fn put_in(&mut self, at: usize, bytes: &[u8]) {
        self.make(at).extend_from_slice(bytes);
    }

    /// Where to write what comes in before what lies at `at`.
    pub(super) fn make(&mut self, at: usize) -> &mut Vec<u8> {
        self.pass(at);
        self.out
    }

    /// How much goes on before what lies at `at`, if it does.
    pub(super) fn position(&self, at: usize) -> usize {
        self.out.len() + at.saturating_sub(self.start)
    }

    fn pass(&mut self, to: usize) {
        // What was left out to beyond `to` stays out.
        if to > self.start {
            self.out.extend_from_slice(&self.input[self.start..to]);
            self.start = to;
        }
    }

    /// Everything that goes on, up to `end`.
    pub(super) fn finish(self, end: usize) -> &'a [u8] {
        let rest = self.input.get(self.start..end).unwrap_or_default();
        if self.out.is_empty() {
            return rest;
        }
        self.out.extend_from_slice(rest);
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unchanged_stays_where_it_is() {
        let input = b"abcdef";
        let mut out = Vec::new();
        assert_eq!(Relay::new(input, &mut out).finish(4).as_ptr(), input.as_ptr());
        let mut relay = Relay::new(input, &mut out);
        relay.leave_out(0, 2);
        assert_eq!(relay.finish(6), b"cdef");
        assert!(out.is_empty());
    }

    #[test]
    fn changes_come_out_in_order() {
        let mut out = Vec::new();
        let mut relay = Relay::new(b"abcdef", &mut out);
        relay.put_in(0, b"1");
        relay.put_in(0, b"2");
        relay.leave_out(1, 3);
        relay.put_in(3, b"3");
        relay.make(5).push(b'4');
        relay.leave_out(5, 6);
        assert_eq!(relay.finish(6), b"12a3de4");
    }
}
