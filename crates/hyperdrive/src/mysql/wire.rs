//! Numbers and texts as packets hold them.

/// Takes a payload apart from the front. Every method gives `None` when the bytes do not suffice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// A number that says itself how long it is.
    pub(super) fn number(&mut self) -> Option<u64> {
        let width = match self.u8()? {
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            0xfb | 0xff => return None,
            small => return Some(small.into()),
        };
        let bytes = self.bytes(width)?;
        Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// A text with its length before it.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.bytes(usize::try_from(length).ok()?)
    }

    /// A text with a zero after it.
    pub(super) fn zero_ended(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let text = self.bytes(end)?;
        self.bytes(1)?;
        Some(text)
    }
}

pub(super) fn push_number(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    match value {
        0..=0xfa => out.push(bytes[0]),
        0xfb..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&bytes[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&bytes[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&bytes);
        }
    }
}

pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    push_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// What a server says about its state in OK and EOF packets.
pub(super) mod status {
    pub(in super::super) const IN_TRANSACTION: u16 = 0x0001;
    pub(in super::super) const AUTOCOMMIT: u16 = 0x0002;
    pub(in super::super) const MORE_RESULTS: u16 = 0x0008;
    pub(in super::super) const CURSOR_EXISTS: u16 = 0x0040;
    pub(in super::super) const LAST_ROW_SENT: u16 = 0x0080;
    pub(in super::super) const IN_READ_ONLY_TRANSACTION: u16 = 0x2000;
    pub(in super::super) const STATE_CHANGED: u16 = 0x4000;
}

/// What two sides can do.
pub(super) mod capability {
    pub(in super::super) const LONG_PASSWORD: u32 = 1;
    pub(in super::super) const FOUND_ROWS: u32 = 1 << 1;
    pub(in super::super) const LONG_FLAG: u32 = 1 << 2;
    pub(in super::super) const CONNECT_WITH_DATABASE: u32 = 1 << 3;
    pub(in super::super) const IGNORE_SPACE: u32 = 1 << 8;
    pub(in super::super) const PROTOCOL_41: u32 = 1 << 9;
    pub(in super::super) const TLS: u32 = 1 << 11;
    pub(in super::super) const TRANSACTIONS: u32 = 1 << 13;
    pub(in super::super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(in super::super) const MULTI_RESULTS: u32 = 1 << 17;
    pub(in super::super) const PREPARED_MULTI_RESULTS: u32 = 1 << 18;
    pub(in super::super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(in super::super) const CONNECT_ATTRIBUTES: u32 = 1 << 20;
    pub(in super::super) const LONG_AUTH_DATA: u32 = 1 << 21;
    pub(in super::super) const SESSION_TRACK: u32 = 1 << 23;

    /// What clients are offered, and connections to the origin are opened with: what is in an answer is then the
    /// same on both sides. Left out are what only some clients know (answers without EOF packets, with news of the
    /// session, with optional columns), compression, several statements in one, and local files.
    pub(in super::super) const COMMON: u32 = LONG_PASSWORD
        | LONG_FLAG
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | MULTI_RESULTS
        | PREPARED_MULTI_RESULTS
        | PLUGIN_AUTH;
}

/// The first byte of a command.
pub(super) mod command {
    pub(in super::super) const QUIT: u8 = 0x01;
    pub(in super::super) const INIT_DB: u8 = 0x02;
    pub(in super::super) const QUERY: u8 = 0x03;
    pub(in super::super) const FIELD_LIST: u8 = 0x04;
    pub(in super::super) const STATISTICS: u8 = 0x09;
    pub(in super::super) const PROCESS_KILL: u8 = 0x0c;
    pub(in super::super) const PING: u8 = 0x0e;
    pub(in super::super) const STMT_PREPARE: u8 = 0x16;
    pub(in super::super) const STMT_EXECUTE: u8 = 0x17;
    pub(in super::super) const STMT_SEND_LONG_DATA: u8 = 0x18;
    pub(in super::super) const STMT_CLOSE: u8 = 0x19;
    pub(in super::super) const STMT_RESET: u8 = 0x1a;
    pub(in super::super) const STMT_FETCH: u8 = 0x1c;
    pub(in super::super) const RESET_CONNECTION: u8 = 0x1f;

    /// The name that error messages have.
    pub(in super::super) fn name(code: u8) -> String {
        let known = [
            "SLEEP",
            "QUIT",
            "INIT_DB",
            "QUERY",
            "FIELD_LIST",
            "CREATE_DB",
            "DROP_DB",
            "REFRESH",
            "SHUTDOWN",
            "STATISTICS",
            "PROCESS_INFO",
            "CONNECT",
            "PROCESS_KILL",
            "DEBUG",
            "PING",
            "TIME",
            "DELAYED_INSERT",
            "CHANGE_USER",
            "BINLOG_DUMP",
            "TABLE_DUMP",
            "CONNECT_OUT",
            "REGISTER_SLAVE",
            "STMT_PREPARE",
            "STMT_EXECUTE",
            "STMT_SEND_LONG_DATA",
            "STMT_CLOSE",
            "STMT_RESET",
            "SET_OPTION",
            "STMT_FETCH",
            "DAEMON",
            "BINLOG_DUMP_GTID",
            "RESET_CONNECTION",
        ];
        known
            .get(usize::from(code))
            .map_or_else(|| format!("command {code:#04x}"), |name| format!("COM_{name}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        for value in [0, 250, 251, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, value);
            let mut fields = Fields(&out);
            assert_eq!((fields.number(), fields.0.len()), (Some(value), 0));
        }
        assert_eq!(Fields(&[0xfb]).number(), None, "NULL is no number");
    }

    #[test]
    fn commands_have_the_names_of_the_manual() {
        assert_eq!(command::name(command::STMT_PREPARE), "COM_STMT_PREPARE");
        assert_eq!(command::name(command::RESET_CONNECTION), "COM_RESET_CONNECTION");
        assert_eq!(command::name(0xfa), "command 0xfa");
    }

    proptest! {
        #[test]
        fn no_bytes_make_fields_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut fields = Fields(&bytes);
            while fields.text().is_some() {}
            let _ = (fields.zero_ended(), fields.u32(), fields.u16(), fields.number());
        }
    }
}
