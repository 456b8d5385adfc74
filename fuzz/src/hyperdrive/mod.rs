//! Hyperdrive's poolers between a client that says anything and a database that says anything.
//!
//! What must hold whatever they say: nothing panics; a client is told whole messages in their order and no more
//! answers than it asked for; a session ends when its client has gone, and no connection stays taken; a witness, who
//! asks on the same connections meanwhile and afterwards, gets the answers to its own questions and not a byte else.
//!
//! Time is tokio's own and stands still while anything can be done, so that every limit is kept and none is waited for.

mod database;
pub mod mysql;
pub mod postgres;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use selvedge_base::{ManualClock, SharedClock};
use selvedge_hyperdrive::cache::{CacheSettings, CacheStore, QueryCache};
use selvedge_hyperdrive::pool::{PoolConfig, Status};
use selvedge_hyperdrive::{Origin, Serve};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use database::{Command, Database, Manners};
pub use witness::Answer;
use witness::Witness;

use crate::{AT, memory};

/// Time that stands still goes on when nothing is ready, without looking at sockets more than once: so many times
/// for a question to reach the database and its answer to come back. Together shorter than any limit.
const MOMENT: Duration = Duration::from_millis(1);
const MOMENTS: usize = 12;
/// Longer than the pool holds a refusal, or a failure to connect, against an origin.
const PAUSE: Duration = Duration::from_secs(5);
/// Longer than a statement may take, and than a connection may take to be opened or to become clean.
const LONG: Duration = Duration::from_secs(70);
/// Longer than all limits one after the other.
const EVER: Duration = Duration::from_mins(10);
const CONNECTIONS: usize = 3;

/// By so many the tasks that are left may differ between two runs: the database's, for connections in the pool, and what
/// has not noticed yet that nobody needs it.
const TASKS: usize = 20;

type Reader = ReadHalf<DuplexStream>;
type Writer = WriteHalf<DuplexStream>;

/// A protocol: a pooler of it, a client that keeps to it, and a database that does.
pub trait Protocol: Manners {
    type Pooler: Serve;

    /// The origin whose socket is the `number`th in `directory`, and the socket's path.
    fn origin(directory: &str, number: usize) -> (Origin, String);
    fn pooler(
        origin: Origin,
        pool: PoolConfig,
        cache: Option<Arc<QueryCache>>,
        clock: SharedClock,
    ) -> Arc<Self::Pooler>;
    /// Makes a pooler as good as new, with another origin.
    fn renew(pooler: &Self::Pooler, origin: Origin, pool: PoolConfig, sessions: bool);
    fn status(pooler: &Self::Pooler) -> Status;
    /// Everything that a client of this name says until it is let in.
    fn login(name: &str) -> Vec<u8>;
    fn query(sql: &str) -> Vec<u8>;
    /// The answers in all that a client of this name was told after `login` and any number of `query`s, with one that
    /// ends in the middle if it ends in an error. What is wrong, if anything else is among it.
    fn answers(told: &[u8], name: &str) -> Result<Vec<Answer>, String>;
    /// What is wrong with `told` to a client that `said` anything at all, whatever the database says.
    fn flaw(said: &[u8], told: &[u8]) -> Option<String>;
}

/// One protocol's poolers, with and without a cache, kept between runs.
pub struct Bench<P: Protocol> {
    runtime: Runtime,
    database: Arc<Database>,
    origins: [Origin; 2],
    poolers: [Arc<P::Pooler>; 2],
    clock: Arc<ManualClock>,
    runs: usize,
    /// Of each pooler.
    uses: [usize; 2],
    /// That were left by the run before.
    tasks: usize,
    _directory: TempDir,
}

impl<P: Protocol> Bench<P> {
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let directory = tempfile::tempdir_in(memory()).unwrap();
        let at = directory.path().to_str().unwrap();
        let database = Arc::new(Database::default());
        let clock = ManualClock::at(AT);
        let (origins, poolers) = runtime.block_on(async {
            let origins = [1, 2].map(|number| {
                let (origin, socket) = P::origin(at, number);
                let listener = UnixListener::bind(socket).unwrap();
                tokio::spawn(Arc::clone(&database).listen::<P>(listener));
                origin
            });
            let clock: SharedClock = clock.clone();
            let poolers = [false, true].map(|cached| {
                let store = CacheStore::new(1 << 20, Arc::clone(&clock));
                let cache = cached.then(|| QueryCache::new(store, CacheSettings::default()));
                P::pooler(origins[0].clone(), limits(), cache, Arc::clone(&clock))
            });
            (origins, poolers)
        });
        Self {
            runtime,
            database,
            origins,
            poolers,
            clock,
            runs: 0,
            uses: [0; 2],
            tasks: 0,
            _directory: directory,
        }
    }

    /// Plays a script: its first byte says who is polite and which settings hold, the rest are steps. A step is a
    /// byte whose highest bit says whose turn it is and whose other bits say how many bytes follow, and those. None
    /// from the database means: it stops answering by itself, or starts again. None from the client: the next byte
    /// says what happens besides.
    pub fn play(&mut self, script: &[u8]) {
        let Some((&kind, steps)) = script.split_first() else { return };
        let bit = |number: u8| kind >> number & 1 == 1;
        self.runs += 1;
        let which = usize::from(bit(3));
        let pooler = Arc::clone(&self.poolers[which]);
        self.uses[which] += 1;
        let database = Arc::clone(&self.database);
        // Another one each time, or the pooler would keep what it knows.
        let origin = self.origins[self.uses[which] % 2].clone();
        let (clock, run) = (Arc::clone(&self.clock), self.runs);
        let (before, metrics) = (self.tasks, self.runtime.metrics());
        self.tasks = self.runtime.block_on(async {
            database.start_over(bit(1));
            P::renew(&pooler, origin, limits(), bit(2));
            let mut play = Play::<P> { pooler, database, clock, run, said: Vec::new(), witness: None };
            play.scene(steps, bit(0), !bit(4)).await;
            play.aftermath().await;
            metrics.num_alive_tasks()
        });
        assert!(self.tasks <= before + TASKS, "{} tasks are left, {before} were before", self.tasks);
    }
}

/// One script being played.
struct Play<P: Protocol> {
    pooler: Arc<P::Pooler>,
    database: Arc<Database>,
    clock: Arc<ManualClock>,
    run: usize,
    /// By the client that says anything.
    said: Vec<u8>,
    witness: Option<Witness>,
}

impl<P: Protocol> Play<P> {
    /// The client says what it says, `reads` or does not, and goes.
    async fn scene(&mut self, steps: &[u8], logs_in: bool, reads: bool) {
        let (mut answers, mut client, serving) = connect(&self.pooler);
        let reading = tokio::spawn(async move {
            let mut told = Vec::new();
            if reads {
                let _ = answers.read_to_end(&mut told).await;
            } else {
                std::future::pending::<()>().await;
            }
            told
        });
        if logs_in {
            self.say(&mut client, &P::login("selvedge")).await;
        }
        self.steps(steps, &mut client).await;
        if reads {
            let _ = client.shutdown().await;
        } else {
            reading.abort();
        }
        drop(client);
        let ended = timeout(EVER, serving).await;
        assert!(ended.is_ok(), "a client that has gone is never let go");
        ended.unwrap().expect("the session panicked");
        if reads {
            let told = reading.await.unwrap();
            if let Some(flaw) = P::flaw(&self.said, &told) {
                panic!("{flaw}: {:?} answers {:?}", lossy(&told), lossy(&self.said));
            }
        }
    }

    async fn say(&mut self, client: &mut Writer, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        // A client that does not read may not be read either.
        let _ = timeout(LONG, client.write_all(bytes)).await;
        settle().await;
    }

    async fn steps(&mut self, mut steps: &[u8], client: &mut Writer) {
        while let Some((&step, rest)) = steps.split_first() {
            let (bytes, rest) = rest.split_at(usize::from(step & 0x7f).min(rest.len()));
            steps = rest;
            match (step & 0x80 != 0, bytes) {
                (true, []) => self.database.tell(Command::ChangeManners),
                (true, bytes) => self.database.tell(Command::Say(bytes.to_vec())),
                (false, []) => {
                    let Some((&what, rest)) = steps.split_first() else { return };
                    steps = rest;
                    match what & 3 {
                        0 => self.ask_as_witness().await,
                        1 => self.database.tell(Command::HangUp),
                        2 => self.pass(PAUSE).await,
                        _ => self.pass(LONG).await,
                    }
                }
                (false, bytes) => self.say(client, bytes).await,
            }
            settle().await;
        }
    }

    /// For the cache too, whose answers grow old.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time.as_millis().try_into().unwrap());
        sleep(time).await;
    }

    async fn ask_as_witness(&mut self) {
        match &mut self.witness {
            Some(witness) => witness.ask::<P>().await,
            None => {
                let name = format!("{} before", self.run);
                self.witness = Some(Witness::come::<P>(&self.pooler, name).await);
            }
        }
    }

    /// Whoever comes now finds everything as it should be.
    async fn aftermath(&mut self) {
        self.database.behave();
        sleep(PAUSE).await;
        let mut second = Witness::come::<P>(&self.pooler, format!("{} after", self.run)).await;
        second.ask::<P>().await;
        let content = timeout(EVER, second.is_content::<P>()).await;
        assert!(content == Ok(true), "{content:?}: a witness got {:?}", second.heard());
        for witness in self.witness.take().into_iter().chain([second]) {
            witness.check::<P>();
            let ended = timeout(EVER, witness.go()).await;
            assert!(ended.is_ok(), "a witness that has gone is never let go");
            ended.unwrap().expect("a witness' session panicked");
        }
        let settled = timeout(EVER, async {
            while !self.is_at_rest() {
                sleep(PAUSE).await;
            }
        });
        let at_rest = settled.await.is_ok();
        let status = P::status(&self.pooler);
        assert!(at_rest, "{status:?} with {} connections when all have gone", self.database.connections());
    }

    fn is_at_rest(&self) -> bool {
        let status = P::status(&self.pooler);
        let nobody = status.active == 0 && status.connecting == 0 && status.waiting == 0;
        nobody && status.idle <= CONNECTIONS && self.database.connections() == status.idle
    }
}

/// Everything that needs no limit to run out is done.
async fn settle() {
    for _ in 0..MOMENTS {
        sleep(MOMENT).await;
    }
}

/// A client: what it reads from, what it writes to, and its session.
fn connect<S: Serve>(pooler: &Arc<S>) -> (Reader, Writer, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(ours);
    (read, write, tokio::spawn(Arc::clone(pooler).serve(theirs)))
}

fn limits() -> PoolConfig {
    PoolConfig { max_connections: CONNECTIONS, ..PoolConfig::default() }
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
