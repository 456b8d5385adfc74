use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long any answer may take before a test is broken rather than slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session that speaks PostgreSQL's protocol byte by byte, so that nothing is hidden by a driver.
pub(crate) struct Wire {
    stream: TcpStream,
    /// Number and secret for cancelling.
    pub(crate) key: Vec<u8>,
}

/// What the server answered to one message, up to ReadyForQuery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Every message as it came, type byte and length included, but ReadyForQuery.
    pub(crate) bytes: Vec<u8>,
    /// The columns of every row.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// The SQLSTATE and the text of an error.
    pub(crate) error: Option<(String, String)>,
    /// The kinds of all messages, in order.
    pub(crate) kinds: String,
    /// What CommandComplete said last.
    pub(crate) tag: String,
    /// Of ReadyForQuery: `I`, `T` or `E`; `X` if the server closed the connection instead.
    pub(crate) status: char,
    /// Names and values that were reported.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Reply {
    pub(crate) fn code(&self) -> &str {
        self.error.as_ref().map_or("", |(code, _)| code)
    }
}

impl Wire {
    pub(crate) fn connect(port: u16, user: &str, database: &str) -> Self {
        Self::connect_with(port, &["user", user, "database", database, "client_encoding", "UTF8"])
    }

    /// With these names and values in the startup packet.
    pub(crate) fn connect_with(port: u16, texts: &[&str]) -> Self {
        let (wire, reply) = Self::start(port, 196_608, texts);
        assert_eq!(reply.error, None, "the server let nobody in");
        wire
    }

    /// A connection on which nothing has been said.
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, key: Vec::new() }
    }

    /// Says hello, and returns what came back.
    pub(crate) fn start(port: u16, version: u32, texts: &[&str]) -> (Self, Reply) {
        let mut wire = Self::open(port);
        let mut startup = version.to_be_bytes().to_vec();
        for text in texts {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        startup.push(0);
        wire.raw(&[&u32::try_from(startup.len() + 4).unwrap().to_be_bytes(), startup.as_slice()].concat());
        let reply = wire.read();
        (wire, reply)
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Exactly as many bytes as fit.
    pub(crate) fn read_raw(&mut self, bytes: &mut [u8]) {
        self.stream.read_exact(bytes).unwrap();
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = self.stream.read_to_end(&mut bytes);
        bytes
    }

    /// A simple query.
    pub(crate) fn query(&mut self, sql: &str) -> Reply {
        self.send(b'Q', &[sql.as_bytes(), b"\0"].concat());
        self.read()
    }

    /// The first column of the rows of a query that must not fail.
    pub(crate) fn column(&mut self, sql: &str) -> Vec<String> {
        let reply = self.query(sql);
        assert_eq!(reply.error, None, "{sql}");
        reply.rows.into_iter().map(|mut row| row.swap_remove(0).unwrap_or_default()).collect()
    }

    pub(crate) fn send(&mut self, kind: u8, body: &[u8]) {
        self.raw(&message(kind, body));
    }

    /// One message: its kind and its body. `None` at the end of the connection.
    pub(crate) fn read_one(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        let first = self.stream.read(&mut head[..1]);
        if let Err(error) = &first
            && error.kind() != std::io::ErrorKind::ConnectionReset
        {
            panic!("no answer: {error}");
        }
        if first.ok()? == 0 {
            return None;
        }
        self.stream.read_exact(&mut head[1..]).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    /// Up to ReadyForQuery.
    pub(crate) fn read(&mut self) -> Reply {
        self.read_to(b'Z')
    }

    /// Up to a message of this kind, or ReadyForQuery.
    pub(crate) fn read_to(&mut self, last: u8) -> Reply {
        let mut reply = Reply::default();
        loop {
            let Some((kind, body)) = self.read_one() else {
                reply.status = 'X';
                return reply;
            };
            reply.kinds.push(char::from(kind));
            match kind {
                b'Z' => {
                    reply.status = char::from(body[0]);
                    return reply;
                }
                b'K' => self.key.clone_from(&body),
                b'C' => reply.tag = field(&[b"C", body.as_slice()].concat(), b'C'),
                b'S' => {
                    let mut texts = body.split(|&b| b == 0).map(|t| String::from_utf8_lossy(t).into_owned());
                    reply.parameters.push((texts.next().unwrap(), texts.next().unwrap()));
                }
                b'D' => reply.rows.push(columns(&body)),
                b'E' => reply.error = Some((field(&body, b'C'), field(&body, b'M'))),
                _ => {}
            }
            reply.bytes.extend_from_slice(&message(kind, &body));
            if kind == last {
                return reply;
            }
        }
    }
}

/// Kind, length and body.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

fn columns(body: &[u8]) -> Vec<Option<String>> {
    let (count, mut rest) = body.split_at(2);
    (0..u16::from_be_bytes([count[0], count[1]]))
        .map(|_| {
            let (length, after) = rest.split_at(4);
            rest = after;
            let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
            let (value, after) = rest.split_at(usize::try_from(length).ok()?);
            rest = after;
            Some(String::from_utf8_lossy(value).into_owned())
        })
        .collect()
}

/// A field of an ErrorResponse.
fn field(body: &[u8], kind: u8) -> String {
    let fields = body.split(|&b| b == 0);
    let found = fields.into_iter().find(|field| field.first() == Some(&kind));
    found.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).unwrap_or_default()
}
