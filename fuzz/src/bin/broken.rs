//! Fuzzes the check of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| intentgate_fuzz::checks::broken(bytes));
