//! What a tree of processes used, from `/proc`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
}

/// The CPU time and the resident memory of `root` and everything it started.
pub(crate) fn of_tree(root: u32) -> Usage {
    let processes = all();
    let mut usage = Usage::default();
    let mut wanted = vec![root];
    while let Some(id) = wanted.pop() {
        if let Some(process) = processes.get(&id) {
            usage.cpu_seconds += process.usage.cpu_seconds;
            usage.resident_bytes += process.usage.resident_bytes;
        }
        wanted.extend(processes.iter().filter(|(_, p)| p.parent == id).map(|(id, _)| *id));
    }
    usage
}

/// Looks at a tree of processes while something is measured.
pub(crate) struct Watch {
    root: u32,
    before: Usage,
    peak: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    sampler: JoinHandle<()>,
}

impl Watch {
    pub(crate) fn start(root: u32) -> Self {
        let (peak, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let sampler = std::thread::spawn({
            let (peak, done) = (Arc::clone(&peak), Arc::clone(&done));
            move || {
                while !done.load(Ordering::Relaxed) {
                    peak.fetch_max(of_tree(root).resident_bytes, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        });
        Self { root, before: of_tree(root), peak, done, sampler }
    }

    /// The CPU time since the start, and the most memory that was seen.
    pub(crate) fn stop(self) -> Result<Usage> {
        let cpu_seconds = of_tree(self.root).cpu_seconds - self.before.cpu_seconds;
        self.done.store(true, Ordering::Relaxed);
        self.sampler.join().ok().context("the sampler panicked")?;
        Ok(Usage { cpu_seconds, resident_bytes: self.peak.load(Ordering::Relaxed) })
    }
}

struct Process {
    parent: u32,
    usage: Usage,
}

fn all() -> HashMap<u32, Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((id, parse(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?))
        })
        .collect()
}

/// The fields after the command's name, which may itself hold spaces and parentheses; see proc_pid_stat(5).
fn parse(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Process {
        parent: u32::try_from(number(1)?).ok()?,
        usage: Usage {
            cpu_seconds: ticks as f64 / per_second as f64,
            resident_bytes: number(21)? * rustix::param::page_size() as u64,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_an_odd_name_is_read() {
        let stat =
            "7 (a b) c) S 3 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 9 100 25 18446744073709551615";
        let process = parse(stat).unwrap();
        assert_eq!(process.parent, 3);
        assert!(process.usage.cpu_seconds > 0.0 && process.usage.resident_bytes > 25 * 1024);
    }
}
