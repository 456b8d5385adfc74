//! Hyperdrive's MySQL between any client and any database. What the bytes mean: `Bench::play`.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use selvedge_fuzz::hyperdrive::Bench;
use selvedge_fuzz::hyperdrive::mysql::MySqlProtocol;

thread_local!(static BENCH: RefCell<Option<Bench<MySqlProtocol>>> = const { RefCell::new(None) });

fuzz_target!(|script: &[u8]| {
    BENCH.with_borrow_mut(|bench| bench.get_or_insert_with(Bench::start).play(script));
});
