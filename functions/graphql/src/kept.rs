//! Kept (persisted) queries: the files in `kept/`. An id keeps its meaning for good, as clients and caches know it.

use std::sync::OnceLock;

use async_graphql::{
    ServerError,
    parser::{parse_query, types::ExecutableDocument},
};

/// A kept query.
pub(crate) struct Kept {
    /// Its id, as in its address.
    pub id: &'static str,
    pub text: &'static str,
    /// Whether anyone may run it, without a token.
    pub is_for_anyone: bool,
    parsed: OnceLock<ExecutableDocument>,
}

impl Kept {
    const fn new(id: &'static str, text: &'static str, is_for_anyone: bool) -> Self {
        Self { id, text, is_for_anyone, parsed: OnceLock::new() }
    }

    /// The query with this id.
    pub(crate) fn find(id: &str) -> Option<&'static Self> {
        KEPT.iter().find(|kept| kept.id == id)
    }

    /// The parsed query. A process parses it once.
    pub(crate) fn document(&self) -> Result<ExecutableDocument, ServerError> {
        if let Some(parsed) = self.parsed.get() {
            return Ok(parsed.clone());
        }
        let parsed = parse_query(self.text)?;
        Ok(self.parsed.get_or_init(|| parsed).clone())
    }
}

/// All of them.
pub(crate) static KEPT: [Kept; 7] = [
    Kept::new("poll", include_str!("../kept/poll.graphql"), true),
    Kept::new("results", include_str!("../kept/results.graphql"), true),
    Kept::new("rounds", include_str!("../kept/rounds.graphql"), true),
    Kept::new("segments", include_str!("../kept/segments.graphql"), true),
    Kept::new("series", include_str!("../kept/series.graphql"), true),
    Kept::new("polls", include_str!("../kept/polls.graphql"), false),
    Kept::new("usage", include_str!("../kept/usage.graphql"), false),
];
