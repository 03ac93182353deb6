//! Log lines: one JSON object each, as Lambda's own log format has them.

use tracing_subscriber::filter::LevelFilter;

/// The variable in which Lambda hands down a function's application log level.
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Sends what is logged to standard output, at the function's level (`INFO` if none is set).
pub fn init() {
    let level = std::env::var(LOG_LEVEL).ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    // At TRACE the Lambda runtime logs events whole, tokens and bodies with them.
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
