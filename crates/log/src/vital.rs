//! Threads that everybody depends on: without one of them a server looks alive and does nothing.
//!
//! A panic elsewhere ends one request. Here it ends the process, whose supervisor starts it again with
//! what is durable.

use std::process;
use std::thread::{self, JoinHandle};

use afflux_types::{Error, Result};

/// Starts a thread whose panic ends the process.
///
/// # Errors
/// `Unavailable` if the system has no thread to give.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _vital = Vital;
            work();
        })
        .map_err(|error| Error::unavailable(format!("start thread {name}")).with_source(error))
}

struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
    }
}
