//! What the sshd module tells, scenario by scenario.

mod failures;
mod properties;
mod saved;
mod sessions;
mod suspicions;
