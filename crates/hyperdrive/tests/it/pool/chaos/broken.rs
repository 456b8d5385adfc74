//! A pool as it must not be: a connection goes back whatever is still to come on it.

use std::io;

use selvedge_hyperdrive::pool::{Connect, Pool, PoolConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Opens connections as the superuser, whom the server trusts.
struct Careless {
    port: u16,
}

impl Connect for Careless {
    type Connection = TcpStream;
    type Error = io::Error;
    type Kind = ();

    fn plain(&self) {}

    async fn connect(&self, (): &()) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let texts = b"user\0postgres\0database\0postgres\0\0";
        let length = u32::try_from(texts.len() + 8).unwrap_or(0).to_be_bytes();
        stream.write_all(&[&length, &196_608_u32.to_be_bytes(), &texts[..]].concat()).await?;
        while message(&mut stream).await?[0] != b'Z' {}
        Ok(stream)
    }

    fn timed_out(&self) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }

    fn is_permanent(_: &io::Error) -> bool {
        false
    }

    fn is_alive(_: &mut TcpStream) -> bool {
        true
    }

    fn close(_: TcpStream) {}
}

/// One message, whole.
async fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    stream.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
    message.resize(length + 1, 0);
    stream.read_exact(&mut message[5..]).await?;
    Ok(message)
}

/// Listens with `connections` to the server at `port`. Must be called inside a runtime.
pub(super) async fn listen(port: u16, connections: usize) -> io::Result<u16> {
    let config = PoolConfig { max_connections: connections, ..PoolConfig::default() };
    let pool = Pool::new(Careless { port }, config);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let pool = pool.clone();
            tokio::spawn(async move { serve(client, &pool).await });
        }
    });
    Ok(address.port())
}

async fn serve(mut client: TcpStream, pool: &Pool<Careless>) -> io::Result<()> {
    let length = client.read_u32().await?;
    let mut startup = vec![0; (length as usize).saturating_sub(4)];
    client.read_exact(&mut startup).await?;
    client.write_all(b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x01Z\0\0\0\x05I").await?;
    loop {
        let mut request = message(&mut client).await?;
        while !matches!(request.last_chunk(), Some(b"S\0\0\0\x04")) && request[0] != b'Q' {
            let more = message(&mut client).await?;
            request.extend(more);
        }
        let mut lease = pool.acquire(&()).await.map_err(|error| io::Error::other(error.to_string()))?;
        let served = answer(&mut client, &mut lease, &request).await;
        // Here it is: nobody asked whether the answer was over.
        lease.give_back();
        served?;
    }
}

async fn answer(client: &mut TcpStream, origin: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    origin.write_all(request).await?;
    loop {
        let answer = message(origin).await?;
        client.write_all(&answer).await?;
        if matches!(&answer[..], [b'Z', .., b'I']) {
            return Ok(());
        }
        if answer[0] == b'Z' {
            let request = message(client).await?;
            origin.write_all(&request).await?;
        }
    }
}
