//! From the stream to the counts.

mod analytics;
mod counting;
mod finalise;
mod hot_lane;
