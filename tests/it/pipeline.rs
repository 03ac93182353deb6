//! From the stream to the counts.

mod counting;
mod hot_lane;
