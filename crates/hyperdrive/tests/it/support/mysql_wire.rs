use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sha1::{Digest as _, Sha1};

/// A session that speaks MySQL's protocol packet by packet, so that nothing is hidden by a driver.
pub(crate) struct MySqlWire {
    pub(crate) stream: TcpStream,
    /// What the server says to be the connection's number.
    pub(crate) number: u32,
    pub(crate) version: String,
}

/// An answer, as it came.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct MySqlReply {
    /// All packets, headers included.
    pub(crate) bytes: Vec<u8>,
    /// Rows of the text protocol.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Rows of the binary protocol, undecoded.
    pub(crate) binary: Vec<Vec<u8>>,
    pub(crate) error: Option<(u16, String)>,
    pub(crate) status: u16,
    pub(crate) warnings: u16,
    pub(crate) insert_id: u64,
}

/// Number and parameters of a prepared statement.
pub(crate) type Prepared = Result<(u32, u16), (u16, String)>;

const CAPABILITIES: u32 = 1 | 4 | 8 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19;

impl MySqlWire {
    pub(crate) fn connect(
        port: u16,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Self, (u16, String)> {
        Self::connect_as(port, user, password, database, CAPABILITIES, 45)
    }

    /// With FOUND_ROWS and a collation of its own.
    pub(crate) fn connect_as(
        port: u16,
        user: &str,
        password: &str,
        database: &str,
        capabilities: u32,
        collation: u8,
    ) -> Result<Self, (u16, String)> {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        // A test that hangs says less than one that fails.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut wire = Self { stream, number: 0, version: String::new() };
        let (greeting, _) = wire.packet();
        error_of(&greeting)?;
        let end = greeting.iter().position(|&b| b == 0).unwrap();
        wire.version = String::from_utf8_lossy(&greeting[1..end]).into_owned();
        let rest = &greeting[end + 1..];
        wire.number = u32::from_le_bytes(rest[..4].try_into().unwrap());
        let mut nonce = rest[4..12].to_vec();
        nonce.extend_from_slice(&rest[31..43]);
        let proof = native_proof(password.as_bytes(), &nonce);
        let mut response = capabilities.to_le_bytes().to_vec();
        response.extend_from_slice(&(1_u32 << 30).to_le_bytes());
        response.push(collation);
        response.extend_from_slice(&[0; 23]);
        for part in
            [user.as_bytes(), &[0, u8::try_from(proof.len()).unwrap()], &proof, database.as_bytes(), &[0]]
        {
            response.extend_from_slice(part);
        }
        response.extend_from_slice(b"mysql_native_password\0");
        wire.send(1, &response);
        loop {
            let (packet, sequence) = wire.packet();
            error_of(&packet)?;
            match packet[0] {
                0 => return Ok(wire),
                0xfe => {
                    let nonce = packet.rsplit(|&b| b == 0).find(|part| part.len() == 20).unwrap();
                    wire.send(sequence + 1, &native_proof(password.as_bytes(), nonce));
                }
                other => panic!("a login packet of kind {other}"),
            }
        }
    }

    /// A server that does not listen any more shows when it is listened to.
    pub(crate) fn send(&mut self, mut sequence: u8, mut payload: &[u8]) {
        loop {
            let piece = payload.len().min(0xff_ffff);
            let length = u32::try_from(piece).unwrap().to_le_bytes();
            let _ = self.stream.write_all(&[length[0], length[1], length[2], sequence]);
            let _ = self.stream.write_all(&payload[..piece]);
            payload = &payload[piece..];
            sequence = sequence.wrapping_add(1);
            if piece < 0xff_ffff {
                return;
            }
        }
    }

    pub(crate) fn packet(&mut self) -> (Vec<u8>, u8) {
        self.try_packet().expect("the server closed the connection")
    }

    /// A payload and the number of its last packet; `None` at the end.
    pub(crate) fn try_packet(&mut self) -> Option<(Vec<u8>, u8)> {
        let mut whole = Vec::new();
        loop {
            let mut header = [0; 4];
            self.read(&mut header)?;
            let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
            let start = whole.len();
            whole.resize(start + length, 0);
            self.read(&mut whole[start..])?;
            if length < 0xff_ffff {
                return Some((whole, header[3]));
            }
        }
    }

    fn read(&mut self, out: &mut [u8]) -> Option<()> {
        let result = self.stream.read_exact(out);
        let kind = result.as_ref().err().map(std::io::Error::kind);
        assert!(kind != Some(std::io::ErrorKind::WouldBlock), "the server does not answer");
        result.ok()
    }

    /// A command without data, whose answer is OK or an error.
    pub(crate) fn command(&mut self, payload: &[u8]) -> MySqlReply {
        self.send(0, payload);
        self.results(false)
    }

    pub(crate) fn query(&mut self, sql: &str) -> MySqlReply {
        self.send(0, &[b"\x03", sql.as_bytes()].concat());
        self.results(false)
    }

    /// A statement that must not fail.
    pub(crate) fn ok(&mut self, sql: &str) -> MySqlReply {
        let reply = self.query(sql);
        assert_eq!(reply.error, None, "{}", sql.get(..200).unwrap_or(sql));
        reply
    }

    /// The first value of a query that must not fail.
    pub(crate) fn value(&mut self, sql: &str) -> String {
        let reply = self.ok(sql);
        reply.rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()).unwrap_or_default()
    }

    pub(crate) fn prepare(&mut self, sql: &str) -> Prepared {
        self.send(0, &[b"\x16", sql.as_bytes()].concat());
        let (first, _) = self.packet();
        error_of(&first)?;
        let number = u32::from_le_bytes(first[1..5].try_into().unwrap());
        let counts = [7, 5].map(|at| u16::from_le_bytes(first[at..at + 2].try_into().unwrap()));
        for count in counts {
            for _ in 0..if count > 0 { count + 1 } else { 0 } {
                self.packet();
            }
        }
        Ok((number, counts[0]))
    }

    /// Executes with texts for parameters. `types`: bind their types too, as is needed the first time.
    pub(crate) fn execute(&mut self, number: u32, values: &[&str], types: bool) -> MySqlReply {
        self.send(0, &execution(number, values, types, 0));
        self.results(true)
    }

    /// Everything up to the last result's end.
    pub(crate) fn results(&mut self, binary: bool) -> MySqlReply {
        let mut reply = MySqlReply::default();
        while self.result(binary, &mut reply) {}
        reply
    }

    fn keep(&mut self, reply: &mut MySqlReply) -> Vec<u8> {
        let (packet, sequence) = self.packet();
        reply.bytes.extend_from_slice(&u32::try_from(packet.len()).unwrap().to_le_bytes());
        reply.bytes.push(sequence);
        reply.bytes.extend_from_slice(&packet);
        packet
    }

    /// True when another result follows.
    fn result(&mut self, binary: bool, reply: &mut MySqlReply) -> bool {
        let first = self.keep(reply);
        if let Err(error) = error_of(&first) {
            reply.error = Some(error);
            return false;
        }
        if first[0] == 0 {
            let (_, rest) = number(&first[1..]);
            let (insert_id, rest) = number(rest);
            reply.insert_id = insert_id;
            reply.status = u16::from_le_bytes(rest[..2].try_into().unwrap());
            reply.warnings = u16::from_le_bytes(rest[2..4].try_into().unwrap());
            return reply.status & 8 != 0;
        }
        let (columns, _) = number(&first);
        for _ in 0..columns {
            self.keep(reply);
        }
        let end = self.keep(reply);
        reply.status = u16::from_le_bytes(end[3..5].try_into().unwrap());
        reply.status & 0x40 == 0 && self.rows(columns, binary, reply)
    }

    /// Rows to their end. True when another result follows.
    pub(crate) fn rows(&mut self, columns: u64, binary: bool, reply: &mut MySqlReply) -> bool {
        loop {
            let row = self.keep(reply);
            if row[0] == 0xfe && row.len() < 9 {
                reply.warnings = u16::from_le_bytes(row[1..3].try_into().unwrap());
                reply.status = u16::from_le_bytes(row[3..5].try_into().unwrap());
                return reply.status & 8 != 0;
            }
            if let Err(error) = error_of(&row) {
                reply.error = Some(error);
                return false;
            }
            if binary {
                reply.binary.push(row);
                continue;
            }
            let mut rest = row.as_slice();
            let mut values = Vec::new();
            for _ in 0..columns {
                if rest[0] == 0xfb {
                    rest = &rest[1..];
                    values.push(None);
                    continue;
                }
                let (length, after) = number(rest);
                let (value, after) = after.split_at(usize::try_from(length).unwrap());
                values.push(Some(String::from_utf8_lossy(value).into_owned()));
                rest = after;
            }
            reply.rows.push(values);
        }
    }
}

/// The payload of a COM_STMT_EXECUTE whose parameters are all texts.
pub(crate) fn execution(number: u32, values: &[&str], types: bool, cursor: u8) -> Vec<u8> {
    let mut out = vec![0x17];
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&[cursor, 1, 0, 0, 0]);
    if values.is_empty() {
        return out;
    }
    out.extend_from_slice(&vec![0; values.len().div_ceil(8)]);
    out.push(u8::from(types));
    if types {
        out.extend_from_slice(&[0xfd, 0].repeat(values.len()));
    }
    for value in values {
        out.push(u8::try_from(value.len()).unwrap());
        out.extend_from_slice(value.as_bytes());
    }
    out
}

fn native_proof(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password);
    let mask = Sha1::new().chain_update(nonce).chain_update(Sha1::digest(once)).finalize();
    once.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

fn error_of(packet: &[u8]) -> Result<(), (u16, String)> {
    if packet[0] != 0xff {
        return Ok(());
    }
    let code = u16::from_le_bytes([packet[1], packet[2]]);
    let text = packet.get(9..).filter(|_| packet[3] == b'#').unwrap_or(&packet[3..]);
    Err((code, String::from_utf8_lossy(text).into_owned()))
}

fn number(bytes: &[u8]) -> (u64, &[u8]) {
    let width = match bytes[0] {
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        small => return (small.into(), &bytes[1..]),
    };
    let value = bytes[1..=width].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
    (value, &bytes[1 + width..])
}
