//! What the sshd module tells, scenario by scenario.

mod failures;
mod sessions;
mod suspicions;
