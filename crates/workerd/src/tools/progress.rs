//! Showing that a download is on its way.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Told about one download at a time.
pub trait Progress: Send + Sync {
    /// `what` is a package with its version; `total_bytes` is the size of what comes over the network.
    fn begin(&self, what: &str, total_bytes: u64);
    /// `bytes` have arrived so far.
    fn at(&self, bytes: u64);
    /// The download ended, well or not.
    fn end(&self);
}

/// A bar on stderr; one plain line when stderr is no terminal.
#[derive(Debug, Default)]
pub struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self.bar.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total_bytes: u64) {
        let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr());
        if bar.is_hidden() {
            #[expect(clippy::print_stderr, reason = "this type exists to write to stderr")]
            {
                eprintln!("Installing {what} ({:.1} MB, once)", megabytes(total_bytes));
            }
            return;
        }
        if let Ok(style) =
            ProgressStyle::with_template("Installing {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        self.with(|slot| *slot = Some(bar));
    }

    fn at(&self, bytes: u64) {
        self.with(|slot| {
            if let Some(bar) = slot {
                bar.set_position(bytes);
            }
        });
    }

    fn end(&self) {
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "only shown, with one digit after the point")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
