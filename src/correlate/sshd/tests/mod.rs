//! What the sshd module tells, scenario by scenario.

mod sessions;
