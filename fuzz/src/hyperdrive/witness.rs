//! A client that keeps to its protocol while another does not, and that takes nothing but answers to its questions.

use std::sync::{Arc, Mutex};

use selvedge_hyperdrive::Serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Protocol, Writer, connect};

/// In everything that a witness says.
const MARK: &str = "the witness";

pub(super) fn is_from_a_witness(bytes: &[u8]) -> bool {
    bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

/// One answer to a witness.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Texts of one column.
    pub rows: Vec<Vec<u8>>,
    /// It ends in an error.
    pub failed: bool,
}

pub(super) struct Witness {
    name: String,
    client: Writer,
    heard: Arc<Mutex<Vec<u8>>>,
    news: Arc<Notify>,
    reading: JoinHandle<()>,
    serving: JoinHandle<()>,
    asked: Vec<String>,
}

impl Witness {
    /// Comes with a first question, without waiting for anything.
    pub(super) async fn come<P: Protocol>(pooler: &Arc<P::Pooler>, name: String) -> Self
    where
        P::Pooler: Serve,
    {
        let (mut answers, client, serving) = connect(pooler);
        let (heard, news) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Notify>::default());
        let (hearing, telling) = (Arc::clone(&heard), Arc::clone(&news));
        let reading = tokio::spawn(async move {
            let mut some = Vec::new();
            while matches!(answers.read_buf(&mut some).await, Ok(1..)) {
                hearing.lock().unwrap().append(&mut some);
                telling.notify_one();
            }
            telling.notify_one();
        });
        let mut witness = Self { name, client, heard, news, reading, serving, asked: Vec::new() };
        let _ = witness.client.write_all(&P::login(MARK)).await;
        witness.ask::<P>().await;
        witness
    }

    /// Every question is asked twice: the second answer may be the cache's.
    pub(super) async fn ask<P: Protocol>(&mut self) {
        let question = format!("SELECT '{MARK} {} {}'", self.name, self.asked.len() / 2);
        let _ = self.client.write_all(&P::query(&question)).await;
        self.asked.push(question);
    }

    /// Everything that was said to it so far answers its questions, one after another.
    pub(super) fn check<P: Protocol>(&self) -> Vec<Answer> {
        let heard = self.heard.lock().unwrap();
        let answers = P::answers(&heard, MARK)
            .unwrap_or_else(|what| panic!("{what}; all of it: {:?}", String::from_utf8_lossy(&heard)));
        for (at, answer) in answers.iter().enumerate() {
            let right = match (&answer.rows[..], self.asked.get(at)) {
                // The last one may be a goodbye.
                ([], question) => answer.failed && (question.is_some() || at == self.asked.len()),
                ([row], Some(question)) => row == question.as_bytes(),
                _ => false,
            };
            assert!(right, "question {at} of {:?} was answered by {answers:?}", self.asked);
        }
        answers
    }

    /// Waits until all is answered, and says whether it was without an error.
    pub(super) async fn is_content<P: Protocol>(&self) -> bool {
        loop {
            let answers = self.check::<P>();
            if answers.len() >= self.asked.len() {
                return answers.iter().all(|answer| !answer.failed);
            }
            if self.reading.is_finished() {
                return false;
            }
            self.news.notified().await;
        }
    }

    pub(super) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// Goes. The session is over when the handle is.
    pub(super) fn go(self) -> JoinHandle<()> {
        self.reading.abort();
        self.serving
    }
}
