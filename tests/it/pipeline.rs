//! From the stream to the counts.

mod counting;
mod finalise;
mod hot_lane;
