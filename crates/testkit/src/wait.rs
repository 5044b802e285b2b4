//! Waiting for a condition, never for a time.
//!
//! A condition that nothing signals has to be asked for again and again; the pause between two
//! questions only spares the processor. The deadline is no assertion about speed: it is far beyond
//! what any machine needs, and turns a hang into a failure that names what never happened.

use std::time::Duration;

use afflux_types::Clock;

/// How long a condition may stay false before the test is given up as hung.
pub const HUNG: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it gives a value.
///
/// # Panics
/// If it has given none for [`HUNG`]; `what` completes the sentence "gave up waiting until …".
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::system();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(clock.elapsed() < HUNG, "gave up waiting until {what}");
        pause();
    }
}

/// Asks `probe` until it is true.
///
/// # Panics
/// As [`until`].
pub fn until_true(what: &str, mut probe: impl FnMut() -> bool) {
    until(what, || probe().then_some(()));
}

/// Runs a future that must end.
///
/// # Panics
/// If it has not ended within [`HUNG`].
pub async fn ends<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(HUNG, future).await {
        Ok(value) => value,
        Err(_) => panic!("gave up waiting until {what}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two questions, not a wait for a time"
)]
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}
