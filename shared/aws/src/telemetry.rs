//! Log lines as JSON, one object each, like Lambda's own log format.

use tracing_subscriber::filter::LevelFilter;

/// The variable that holds the function's log level. Lambda sets it.
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Writes the log to standard output, at the function's level (`INFO` if none is set).
pub fn init() {
    let level = std::env::var(LOG_LEVEL).ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    // At TRACE, the Lambda runtime logs whole events, with tokens and bodies.
    let level = level.min(LevelFilter::DEBUG);
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .init();
}
