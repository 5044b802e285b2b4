//! Chance that can be replayed: a random generator that names its seed when the test fails.

use std::fmt;
use std::ops::{Deref, DerefMut};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// The variable that replays a seed.
pub const VARIABLE: &str = "AFFLUX_SEED";

/// A random generator that prints its seed if the test panics.
pub struct Seed {
    seed: u64,
    rng: StdRng,
}

impl Seed {
    /// A generator with the seed of the environment, or a fresh one.
    ///
    /// # Panics
    /// If the variable holds no number.
    #[must_use]
    pub fn from_env() -> Self {
        match std::env::var(VARIABLE) {
            Ok(text) => match text.parse() {
                Ok(seed) => Self::new(seed),
                Err(_) => panic!("{VARIABLE}={text} is not a number"),
            },
            Err(_) => Self::new(rand::random()),
        }
    }

    /// A generator with a given seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// A generator of its own for another thread, with a seed that follows from this one and `n`.
    #[must_use]
    pub fn derive(&self, n: u64) -> StdRng {
        StdRng::seed_from_u64(
            self.seed
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(n),
        )
    }
}

impl Deref for Seed {
    type Target = StdRng;

    fn deref(&self) -> &StdRng {
        &self.rng
    }
}

impl DerefMut for Seed {
    fn deref_mut(&mut self) -> &mut StdRng {
        &mut self.rng
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed({})", self.seed)
    }
}

impl Drop for Seed {
    #[expect(
        clippy::print_stderr,
        reason = "the reader of a failed test needs the seed"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with {VARIABLE}={}", self.seed);
        }
    }
}

/// A count that the environment may change, for a longer or shorter run.
///
/// # Panics
/// If the variable holds no number.
#[must_use]
pub fn count(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => panic!("{variable}={text} is not a number"),
        },
        Err(_) => default,
    }
}
