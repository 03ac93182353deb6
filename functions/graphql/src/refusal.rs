//! Why a query is refused, in GraphQL's own form.

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use landslide_domain::field_error::shortened;

/// The most characters of an error's message, whatever was sent.
const MESSAGE_CHARS_MAX: usize = 500;

/// An error with a code, which never changes.
pub(crate) fn refusal(code: &str, message: impl Into<String>) -> ServerError {
    coded(ServerError::new(message, None), code)
}

/// The query would cost more than it may.
pub(crate) fn over_budget(cost: u64, limit: u64) -> ServerError {
    let message = format!("The query costs {cost} units, and may cost {limit}. Ask for less at once.");
    with_figures(refusal("over_budget", message), [("cost", cost), ("limit", limit)])
}

/// The query has more of something than it may have.
pub(crate) fn over_limit(what: &str, value: u64, limit: u64) -> ServerError {
    let name = what.replace('_', " ");
    let message = format!("The query's limit of {name} is {limit}, and it has {value} or more.");
    let mut error = with_figures(refusal("over_limit", message), [("value", value), ("limit", limit)]);
    extensions(&mut error).set("what", what);
    error
}

/// The error with a code, if it has none, and not too long.
pub(crate) fn finished(error: ServerError) -> ServerError {
    let has_code = error.extensions.as_ref().is_some_and(|values| values.get("code").is_some());
    let error = if has_code { error } else { coded(error, "invalid_request") };
    ServerError { message: shortened(error.message, MESSAGE_CHARS_MAX), ..error }
}

fn coded(mut error: ServerError, code: &str) -> ServerError {
    extensions(&mut error).set("code", code);
    error
}

fn with_figures(mut error: ServerError, figures: [(&str, u64); 2]) -> ServerError {
    for (name, figure) in figures {
        extensions(&mut error).set(name, Value::from(figure));
    }
    error
}

fn extensions(error: &mut ServerError) -> &mut ErrorExtensionValues {
    error.extensions.get_or_insert_default()
}
