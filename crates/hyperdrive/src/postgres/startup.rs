//! The first packet of a client, which has no kind.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::cancel::CANCEL_REQUEST;
use super::error::PgError;
use super::message::text;

/// PostgreSQL's own limit.
const LONGEST: usize = 10_000;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
/// The latest minor version of protocol 3 that we speak.
const MINOR: u32 = 2;

/// Names and values.
pub(super) type Settings = Vec<(Box<[u8]>, Box<[u8]>)>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    Tls,
    GssEncryption,
    Cancel { number: u32, secret: Vec<u8> },
    Startup(Startup),
}

/// What a client says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Startup {
    pub(super) minor: u32,
    /// Negotiation is due: a later minor version, or extensions that we do not know.
    pub(super) asks_for_more: bool,
    pub(super) extensions: Vec<Box<[u8]>>,
    pub(super) user: Box<[u8]>,
    /// Empty if it is the user's name.
    pub(super) database: Box<[u8]>,
    pub(super) replication: bool,
    /// The rest, in order: settings to start with.
    pub(super) settings: Settings,
}

/// Why the first packet is not one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadStart {
    /// The client has gone, or never said anything.
    Gone,
    /// To be told to the client.
    Error(PgError),
    /// The same, for a client that reads errors as protocol 2 has them.
    Protocol2(String),
}

pub(super) async fn read_first(stream: &mut (impl AsyncRead + Unpin)) -> Result<First, BadStart> {
    let length = stream.read_u32().await.map_err(|_| BadStart::Gone)? as usize;
    if !(8..=LONGEST).contains(&length) {
        return Err(BadStart::Error(PgError::protocol("invalid length of startup packet")));
    }
    let mut packet = vec![0; length - 4];
    stream.read_exact(&mut packet).await.map_err(|_| BadStart::Gone)?;
    parse(&packet)
}

fn parse(packet: &[u8]) -> Result<First, BadStart> {
    let malformed = || BadStart::Error(PgError::protocol("invalid startup packet layout"));
    let (code, body) = packet.split_first_chunk().ok_or_else(malformed)?;
    let code = u32::from_be_bytes(*code);
    match code {
        SSL_REQUEST if body.is_empty() => return Ok(First::Tls),
        GSSENC_REQUEST if body.is_empty() => return Ok(First::GssEncryption),
        CANCEL_REQUEST => {
            let (number, secret) = body.split_first_chunk().ok_or_else(malformed)?;
            return Ok(First::Cancel { number: u32::from_be_bytes(*number), secret: secret.to_vec() });
        }
        _ => {}
    }
    let (major, minor) = (code >> 16, code & 0xffff);
    let refusal = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR}");
    match major {
        3 => {}
        1 | 2 => return Err(BadStart::Protocol2(refusal)),
        _ => return Err(BadStart::Error(PgError::fatal(*b"0A000", refusal))),
    }
    // There never was a 3.1.
    let spoken = if minor >= MINOR { MINOR } else { 0 };
    let mut startup = Startup { minor: spoken, asks_for_more: minor != spoken, ..Startup::default() };
    let mut rest = body;
    loop {
        let (name, after) = text(rest).ok_or_else(malformed)?;
        if name.is_empty() {
            if !after.is_empty() {
                return Err(malformed());
            }
            break;
        }
        let (value, after) = text(after).ok_or_else(malformed)?;
        rest = after;
        match name {
            b"user" => startup.user = value.into(),
            b"database" => startup.database = value.into(),
            b"replication" => startup.replication = !matches!(value, b"false" | b"off" | b"no" | b"0"),
            b"options" => startup.settings.extend(options(value).map_err(BadStart::Error)?),
            _ if name.starts_with(b"_pq_.") => {
                startup.asks_for_more = true;
                startup.extensions.push(name.into());
            }
            _ => startup.settings.push((name.into(), value.into())),
        }
    }
    if startup.user.is_empty() {
        let error = PgError::fatal(*b"28000", "no PostgreSQL user name specified in startup packet");
        return Err(BadStart::Error(error));
    }
    Ok(First::Startup(startup))
}

/// Settings from `-c name=value` and `--name=value`, as the server's command line has them.
fn options(text: &[u8]) -> Result<Settings, PgError> {
    let mut settings = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix(b"--").or_else(|| word.strip_prefix(b"-c")) {
            Some([]) => words.next(),
            Some(setting) => Some(setting.to_vec()),
            None => None,
        };
        let setting = setting.as_deref().and_then(|setting| {
            let at = setting.iter().position(|&byte| byte == b'=')?;
            Some((&setting[..at], &setting[at + 1..]))
        });
        let Some((name, value)) = setting else {
            let word = String::from_utf8_lossy(&word).into_owned();
            return Err(PgError::fatal(
                *b"42601",
                format!("invalid command-line argument for server process: {word}"),
            )
            .hint("Only settings can be given: -c name=value."));
        };
        let name: Vec<u8> = name.iter().map(|&b| if b == b'-' { b'_' } else { b }).collect();
        settings.push((name.into(), value.into()));
    }
    Ok(settings)
}

/// Parted at white space; a backslash keeps what follows.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let byte = if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte };
        word.get_or_insert_default().push(byte);
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(code: u32, body: &[u8]) -> Vec<u8> {
        [&code.to_be_bytes()[..], body].concat()
    }

    fn startup(body: &[u8]) -> Startup {
        match parse(&packet(3 << 16, body)).unwrap() {
            First::Startup(startup) => startup,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_startup_packet_is_taken_apart() {
        let startup =
            startup(b"user\0me\0database\0shop\0TimeZone\0UTC\0options\0-c a.b=c\\ d --work-mem=1MB\0\0");
        assert_eq!((&*startup.user, &*startup.database), (&b"me"[..], &b"shop"[..]));
        let settings: Vec<_> = startup.settings.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(settings, [(&b"TimeZone"[..], &b"UTC"[..]), (b"a.b", b"c d"), (b"work_mem", b"1MB")]);
        assert!(!startup.asks_for_more);
    }

    #[test]
    fn later_versions_and_extensions_are_negotiated() {
        let minor = |version: u32, body: &[u8]| match parse(&packet(version, body)).unwrap() {
            First::Startup(startup) => (startup.minor, startup.asks_for_more, startup.extensions.len()),
            other => panic!("{other:?}"),
        };
        let user = b"user\0me\0\0";
        assert_eq!(minor(3 << 16, user), (0, false, 0));
        assert_eq!(minor(3 << 16 | 2, user), (2, false, 0));
        assert_eq!(minor(3 << 16 | 9, user), (2, true, 0));
        assert_eq!(minor(3 << 16 | 1, user), (0, true, 0));
        assert_eq!(minor(3 << 16, b"user\0me\0_pq_.x\0on\0\0"), (0, true, 1));
    }

    #[test]
    fn requests_that_are_no_startup_are_told_apart() {
        assert_eq!(parse(&packet(SSL_REQUEST, b"")), Ok(First::Tls));
        assert_eq!(parse(&packet(GSSENC_REQUEST, b"")), Ok(First::GssEncryption));
        let cancel = First::Cancel { number: 7, secret: b"abcd".to_vec() };
        assert_eq!(parse(&packet(CANCEL_REQUEST, b"\0\0\0\x07abcd")), Ok(cancel));
        assert!(matches!(parse(&packet(2 << 16, b"x")), Err(BadStart::Protocol2(_))));
        assert!(matches!(parse(&packet(0x4745_5420, b"/ HTTP/1.1")), Err(BadStart::Error(_))));
    }

    #[test]
    fn malformed_packets_are_refused() {
        for body in
            [&b""[..], b"user\0me\0", b"user\0me", b"user", b"\0", b"user\0me\0\0x", b"database\0x\0\0"]
        {
            assert!(matches!(parse(&packet(3 << 16, body)), Err(BadStart::Error(_))), "{body:?}");
        }
        assert!(matches!(parse(&packet(3 << 16, b"user\0me\0options\0-x\0\0")), Err(BadStart::Error(_))));
    }

    #[tokio::test]
    async fn mad_lengths_are_refused_before_anything_is_kept() {
        for bytes in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x04", b"\0\0\x27\x11", b"GET / HTTP/1.1\r\n"] {
            assert!(matches!(read_first(&mut &*bytes).await, Err(BadStart::Error(_))), "{bytes:?}");
        }
        assert_eq!(read_first(&mut &b"\0\0"[..]).await, Err(BadStart::Gone));
    }
}
