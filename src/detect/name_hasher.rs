//! Floor 2: how names are hashed.
//!
//! Invariant: within a process, equal names have equal hashes, whoever hashes them; nobody outside can tell which names
//! collide.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

/// The key, drawn once.
static KEY: LazyLock<ahash::RandomState> = LazyLock::new(|| {
    // The standard library's keys are random; ahash without its own source of randomness takes them from us.
    let keys = std::hash::RandomState::new();
    let key = |n: u64| {
        let mut hasher = keys.build_hasher();
        hasher.write_u64(n);
        hasher.finish()
    };
    ahash::RandomState::with_seeds(key(0), key(1), key(2), key(3))
});

/// Hashes names by the key of this process.
#[derive(Clone, Debug)]
pub struct NameHasher(ahash::RandomState);

impl NameHasher {
    /// The hasher whose hashes observations bear.
    pub fn of_process() -> Self {
        Self(KEY.clone())
    }

    /// The hash of a name.
    #[inline]
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.0.hash_one(name)
    }
}
