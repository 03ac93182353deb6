//! What is done in polls by itself: the minutes are looked through for what is due, and jobs are done step by step.
//!
//! A minute that is looked through twice, or a step that is done twice, changes nothing: each job reads the poll again, and
//! what it writes has a condition.

#[cfg(any(test, feature = "finalise"))]
pub mod finalise;
pub mod step;
pub mod tick;
