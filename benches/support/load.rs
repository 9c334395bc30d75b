//! A load of syslog records, the same at each run: the scene of `correlator flood`, at times of its own.
//!
//! Of sshd's records seven in ten belong to logins that succeed (five records each), the others to connections that
//! fail. A record has about 150 bytes with its count.

#![allow(clippy::unwrap_used, reason = "a generator that fails should fail loudly")]

use correlator::flood::{Scene, SceneOptions};
use correlator::time::Timestamp;

/// Time between two records, in µs.
const STEP: i64 = 200;

/// Records, one after another.
pub(crate) struct Load {
    scene: Scene,
    now: Timestamp,
}

/// Stories told at the same time.
pub(crate) const OPEN: usize = 256;

impl Load {
    /// A load of such a scene.
    pub(crate) fn of(options: SceneOptions) -> Self {
        let scene = Scene::new(SceneOptions { stories: OPEN, ..options });
        Self { scene, now: Timestamp::from_civil(2026, 2, 1, 0, 0) }
    }

    /// Appends the next record's message, without framing.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) {
        self.now = Timestamp::from_micros(self.now.as_micros() + STEP);
        self.scene.next(out, self.now);
    }

    /// Appends the octet-counted stream of so many records.
    pub(crate) fn stream(&mut self, records: usize) -> Vec<u8> {
        let mut stream = Vec::with_capacity(records * 170);
        let mut record = Vec::new();
        for _ in 0..records {
            record.clear();
            self.next(&mut record);
            stream.extend_from_slice(format!("{} ", record.len()).as_bytes());
            stream.extend_from_slice(&record);
        }
        stream
    }
}
