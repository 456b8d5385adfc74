//! A database that answers as its protocol says, until it is told what to say. To a witness it never lies.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::witness::is_from_a_witness;

/// How a database of a protocol answers.
pub trait Manners: 'static {
    /// What is known about one connection.
    type Session: Default + Send + 'static;

    /// What it says before it is asked.
    fn greeting() -> Vec<u8>;
    /// Takes what is whole from the front of `asked` and adds its answers to `out`.
    fn answer(session: &mut Self::Session, asked: &mut Vec<u8>, out: &mut Vec<u8>);
    /// Whatever was said in its place, no transaction is open.
    fn forget(session: &mut Self::Session);
}

#[derive(Clone)]
pub(super) enum Command {
    Say(Vec<u8>),
    ChangeManners,
    Behave,
    HangUp,
}

#[derive(Default)]
pub(super) struct Database(Mutex<State>);

#[derive(Default)]
struct State {
    polite: bool,
    /// Of the connections that were opened, in this order.
    connections: Vec<UnboundedSender<Command>>,
    /// The one that was opened, or asked by anybody but a witness, last.
    latest: Option<UnboundedSender<Command>>,
}

impl Database {
    pub(super) async fn listen<M: Manners>(self: Arc<Self>, listener: UnixListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let (sender, commands) = unbounded_channel();
            let mut state = self.0.lock().unwrap();
            state.connections.push(sender.clone());
            state.latest = Some(sender.clone());
            let conversation = Conversation {
                database: Arc::clone(&self),
                sender,
                polite: state.polite,
                with_witness: false,
            };
            tokio::spawn(conversation.run::<M>(stream, commands));
        }
    }

    /// Closes all connections. New ones are `polite`, or say nothing.
    pub(super) fn start_over(&self, polite: bool) {
        let mut state = self.0.lock().unwrap();
        for connection in &state.connections {
            let _ = connection.send(Command::HangUp);
        }
        *state = State { polite, ..State::default() };
    }

    /// Tells the connection that was used last.
    pub(super) fn tell(&self, command: Command) {
        if let Some(latest) = &self.0.lock().unwrap().latest {
            let _ = latest.send(command);
        }
    }

    /// From now on every connection answers as it should.
    pub(super) fn behave(&self) {
        let mut state = self.0.lock().unwrap();
        state.polite = true;
        for connection in &state.connections {
            let _ = connection.send(Command::Behave);
        }
    }

    /// Connections that are open.
    pub(super) fn connections(&self) -> usize {
        self.0.lock().unwrap().connections.iter().filter(|connection| !connection.is_closed()).count()
    }
}

struct Conversation {
    database: Arc<Database>,
    sender: UnboundedSender<Command>,
    polite: bool,
    /// Whoever uses it now is a witness.
    with_witness: bool,
}

impl Conversation {
    async fn run<M: Manners>(mut self, mut stream: UnixStream, mut commands: UnboundedReceiver<Command>) {
        let (mut session, mut asked, mut out) = (M::Session::default(), Vec::new(), Vec::new());
        if self.polite {
            out = M::greeting();
        }
        loop {
            if self.polite || self.with_witness {
                M::answer(&mut session, &mut asked, &mut out);
            }
            if stream.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
            let before = asked.len();
            tokio::select! {
                // What was asked comes first: it says whether a lie may follow.
                biased;
                read = stream.read_buf(&mut asked) => match read {
                    Ok(1..) => self.hear(&asked[before..]),
                    _ => return,
                },
                command = commands.recv() => match command {
                    None | Some(Command::HangUp) => return,
                    Some(Command::Say(_)) if self.with_witness => {}
                    Some(Command::Say(bytes)) => {
                        // That was the answer, whatever was asked.
                        M::answer(&mut session, &mut asked, &mut Vec::new());
                        M::forget(&mut session);
                        out = bytes;
                    }
                    Some(Command::ChangeManners) => self.polite = !self.polite,
                    Some(Command::Behave) => self.polite = true,
                },
            }
        }
    }

    fn hear(&mut self, asked: &[u8]) {
        self.with_witness = is_from_a_witness(asked);
        if !self.with_witness {
            self.database.0.lock().unwrap().latest = Some(self.sender.clone());
        }
    }
}
