//! What is asked, and for which keys.

use super::protocol::Operation;
use super::{LARGE, SMALL};
use crate::workload::spread;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) connections: &'static [usize],
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    GetUniform,
    GetZipfian,
    Put,
    /// Nineteen reads to one write, zipfian.
    Mixed,
    PutLarge,
    GetLarge,
    List,
}

pub(crate) const ALL: &[Workload] = &[
    Workload { name: "get 288 B, uniform", connections: &[1, 64], kind: Kind::GetUniform },
    Workload { name: "get 288 B, zipfian", connections: &[1, 64], kind: Kind::GetZipfian },
    Workload { name: "durable put 288 B", connections: &[1, 16, 64, 256], kind: Kind::Put },
    Workload { name: "95/5 get/put 288 B, zipfian", connections: &[64], kind: Kind::Mixed },
    Workload { name: "durable put 25 MiB", connections: &[4], kind: Kind::PutLarge },
    Workload { name: "get 25 MiB", connections: &[4], kind: Kind::GetLarge },
    Workload { name: "list 1,000 (Redis: SCAN)", connections: &[1, 16], kind: Kind::List },
];

/// Keys of large values: behind the small ones, so that those stay what they are.
const LARGE_KEYS: u64 = 8;

/// Draws one operation after the other, the same ones for every contestant.
#[derive(Debug)]
pub(crate) struct Draw {
    kind: Kind,
    keys: u64,
    state: u64,
    zipfian: Option<Zipfian>,
}

impl Draw {
    pub(crate) fn new(workload: Workload, keys: u64, seed: u64) -> Self {
        let kind = workload.kind;
        let zipfian = matches!(kind, Kind::GetZipfian | Kind::Mixed).then(|| Zipfian::new(keys));
        Self { kind, keys, state: seed << 40, zipfian }
    }

    fn random(&mut self) -> u64 {
        self.state += 1;
        spread(self.state)
    }

    pub(crate) fn next(&mut self) -> Operation {
        let random = self.random();
        let key = match &self.zipfian {
            // The hot keys are spread over the key space.
            Some(zipfian) => spread(zipfian.rank(random)) % self.keys,
            None => random % self.keys,
        };
        let large = self.keys + random % LARGE_KEYS;
        match self.kind {
            Kind::Put => Operation::Put(key, SMALL),
            Kind::Mixed if spread(random).is_multiple_of(20) => Operation::Put(key, SMALL),
            Kind::GetUniform | Kind::GetZipfian | Kind::Mixed => Operation::Get(key),
            Kind::PutLarge => Operation::Put(large, LARGE),
            Kind::GetLarge => Operation::Get(large),
            Kind::List => Operation::List,
        }
    }
}

/// Ranks as Zipf's law has them, with the exponent of YCSB (0.99); after Gray et al., "Quickly generating
/// billion-record synthetic databases", SIGMOD 1994.
#[derive(Debug)]
struct Zipfian {
    items: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

const THETA: f64 = 0.99;

impl Zipfian {
    fn new(items: u64) -> Self {
        let zeta = |n: u64| (1..=n).map(|i| (i as f64).powf(-THETA)).sum::<f64>();
        let (all, items) = (zeta(items), items as f64);
        let eta = (1.0 - (2.0 / items).powf(1.0 - THETA)) / (1.0 - zeta(2) / all);
        Self { items, zeta: all, alpha: 1.0 / (1.0 - THETA), eta }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is a small positive number"
    )]
    fn rank(&self, random: u64) -> u64 {
        let u = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let uz = u * self.zeta;
        if uz < 1.0 {
            0
        } else if uz < 1.0 + 0.5_f64.powf(THETA) {
            1
        } else {
            (self.items * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_ranks_are_most_of_the_draws() {
        let zipfian = Zipfian::new(1_000_000);
        let ranks: Vec<u64> = (0..100_000).map(|n| zipfian.rank(spread(n))).collect();
        assert!(ranks.iter().all(|rank| *rank < 1_000_000));
        let hot = ranks.iter().filter(|rank| **rank < 10_000).count();
        assert!((60_000..80_000).contains(&hot), "{hot} of 100,000 draws are of the first hundredth");
    }
}
