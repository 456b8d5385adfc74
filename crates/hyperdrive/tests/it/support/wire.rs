use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A session that speaks PostgreSQL's protocol byte by byte, so that nothing is hidden by a driver.
pub(crate) struct Wire {
    stream: TcpStream,
}

/// What the server answered to one message, up to ReadyForQuery.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Every message as it came, type byte and length included, but ReadyForQuery.
    pub(crate) bytes: Vec<u8>,
    /// The columns of every row.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// The SQLSTATE and the text of an error.
    pub(crate) error: Option<(String, String)>,
}

impl Wire {
    pub(crate) fn connect(port: u16, user: &str, database: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, "client_encoding", "UTF8"] {
            startup.extend_from_slice(text.as_bytes());
            startup.push(0);
        }
        startup.push(0);
        stream.write_all(&u32::try_from(startup.len() + 4).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&startup).unwrap();
        let mut wire = Self { stream };
        let reply = wire.read();
        assert_eq!(reply.error, None, "the server let nobody in");
        wire
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

    fn send(&mut self, kind: u8, body: &[u8]) {
        let length = u32::try_from(body.len() + 4).unwrap();
        self.stream.write_all(&[&[kind], length.to_be_bytes().as_slice(), body].concat()).unwrap();
    }

    fn read(&mut self) -> Reply {
        let mut reply = Reply::default();
        loop {
            let mut head = [0; 5];
            self.stream.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            self.stream.read_exact(&mut body).unwrap();
            match head[0] {
                b'Z' => return reply,
                b'D' => reply.rows.push(columns(&body)),
                b'E' => reply.error = Some((field(&body, b'C'), field(&body, b'M'))),
                _ => {}
            }
            reply.bytes.extend_from_slice(&head);
            reply.bytes.extend_from_slice(&body);
        }
    }
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
