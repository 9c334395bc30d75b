//! The fold as a whole, and the means to write tests of this floor.

mod fold;
pub(super) mod lines;
