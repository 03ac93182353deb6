//! `POST /v1/graphql`, `GET /v1/graphql/{query_id}` and `GET /v1/graphql/schema`: polls, counts and usage by one query, and
//! polls made and changed by mutations.

mod asked;
mod costs;
mod kept;
mod measure;
mod refusal;
mod scan;
mod schema;
mod services;

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{
    Request as Execution, Response, ServerError, Value, Variables,
    parser::{parse_query, types::ExecutableDocument},
};
use landslide_aws::clock;
use landslide_domain::error::Error as Failure;
use landslide_edge::{BODY_BYTES_MAX, CacheControl, Error, Reply, Request, StatusCode, shown};
use landslide_service::results::tag_of;
use serde::{Deserialize, Serialize, de::IgnoredAny};

pub use self::services::{Analytics, Creation, Services};
use self::{
    asked::Asked,
    costs::Costs,
    kept::Kept,
    measure::measure,
    refusal::{finished, over_limit, refusal},
    schema::{Published, schema},
};

/// The schema as it is published. A test renews it.
const SCHEMA: &str = include_str!("../schema.graphql");
/// How long it may be cached, in seconds.
const SCHEMA_MAX_AGE_SECONDS: u32 = 60;
/// How long an answer without counts may be cached, in seconds.
const MAX_AGE_SECONDS: u32 = 1;
/// The longest answer, in bytes. Lambda takes 6 MB, in which each quote of the answer takes two more bytes.
const ANSWER_BYTES_MAX: usize = 3 * 1024 * 1024;

/// All that answers queries.
pub struct Graphql {
    services: Arc<Services>,
    schema: Published,
    costs: Costs,
}

impl Graphql {
    /// Over these services. Fails if `costs.json` is broken.
    pub fn new(services: Services) -> Result<Self, serde_json::Error> {
        Ok(Self { services: Arc::new(services), schema: schema(), costs: Costs::read()? })
    }
}

/// What is sent to be answered: a query, or the id of a kept one. Clients send extensions that we do not have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Sent {
    query: Option<String>,
    id: Option<String>,
    #[serde(default)]
    variables: Variables,
    operation_name: Option<String>,
    #[serde(rename = "extensions")]
    _extensions: Option<BTreeMap<String, IgnoredAny>>,
}

/// A parsed query, and what it is run with.
struct Query {
    document: ExecutableDocument,
    variables: Variables,
    operation_name: Option<String>,
    /// Whether it may be a mutation.
    may_change: bool,
}

/// What a query that does not run is answered with.
#[derive(Serialize)]
struct Refused {
    errors: Vec<ServerError>,
}

/// 200 with the answer; 400 if the query may not run, or is none; 304 if the caller's copy of what anyone may see is current.
pub async fn handle(graphql: Arc<Graphql>, request: Request) -> Result<Reply, Error> {
    match (request.method(), request.last_segment()) {
        ("POST", _) => posted(&graphql, request).await,
        (_, "schema") => Ok(published(&request)),
        _ => kept_for_anyone(&graphql, request).await,
    }
}

fn published(request: &Request) -> Reply {
    let tag = tag_of(SCHEMA);
    let reply = match request.has_current(&tag) {
        true => Reply::empty(StatusCode::NOT_MODIFIED),
        false => Reply::text(StatusCode::OK, SCHEMA),
    };
    reply.etag(tag).cache(CacheControl::Public(SCHEMA_MAX_AGE_SECONDS))
}

async fn posted(graphql: &Graphql, request: Request) -> Result<Reply, Error> {
    let now = clock::now();
    let viewer = request.viewer(now)?;
    let sent: Sent = request.json(BODY_BYTES_MAX)?;
    let document = match (&sent.query, &sent.id) {
        (Some(query), None) => graphql.parsed(query),
        (None, Some(id)) => {
            Kept::find(id).ok_or_else(|| Error::invalid("There is no kept query of this id."))?.document()
        }
        _ => return Err(Error::invalid("The body must have either query or id.")),
    };
    let may_change = sent.query.is_some();
    let Sent { variables, operation_name, .. } = sent;
    let query = document.map(|document| Query { document, variables, operation_name, may_change });
    let asked = Arc::new(Asked::new(graphql.services.clone(), request, Some(viewer), now));
    let reply = match graphql.run(query, &asked).await? {
        Ok((text, _)) => Reply::json_text(StatusCode::OK, text),
        Err(refused) => Reply::json(StatusCode::BAD_REQUEST, &refused)?,
    };
    Ok(asked.quotas().into_iter().fold(reply, Reply::quota).cache(CacheControl::Private))
}

async fn kept_for_anyone(graphql: &Graphql, request: Request) -> Result<Reply, Error> {
    let kept = request.query_id().and_then(Kept::find).filter(|kept| kept.is_for_anyone).ok_or_else(no_such_query)?;
    let variables = match request.query("variables") {
        Some(text) => serde_json::from_str(text)
            .map_err(|_| Error::invalid("The query's variables must be a JSON object, by name."))?,
        None => Variables::default(),
    };
    let query = kept.document().map(|document| Query { document, variables, operation_name: None, may_change: false });
    let asked = Arc::new(Asked::new(graphql.services.clone(), request, None, clock::now()));
    match graphql.run(query, &asked).await? {
        Err(refused) => Ok(Reply::json(StatusCode::BAD_REQUEST, &refused)?.cache(CacheControl::Private)),
        // What a field failed with, such as hidden results, may be over in a moment.
        Ok((text, false)) => Ok(Reply::json_text(StatusCode::OK, text).cache(CacheControl::Private)),
        Ok((text, true)) => {
            let tag = tag_of(&text);
            match asked.reuse() {
                Some(reuse) => Ok(shown(&asked.request, text, &tag, reuse)),
                None => {
                    let reply = match asked.request.has_current(&tag) {
                        true => Reply::empty(StatusCode::NOT_MODIFIED),
                        false => Reply::json_text(StatusCode::OK, text),
                    };
                    Ok(reply.etag(tag).cache(CacheControl::Public(MAX_AGE_SECONDS)))
                }
            }
        }
    }
}

fn no_such_query() -> Error {
    Error::UseCase(Failure::NoSuchQuery)
}

impl Graphql {
    /// Parses a query of a length and depth that the parser is up to.
    fn parsed(&self, text: &str) -> Result<ExecutableDocument, ServerError> {
        let scanned = scan::scan(text).map_err(|reason| refusal("invalid_request", reason))?;
        for (what, value) in [("tokens", scanned.tokens), ("nesting", scanned.nesting)] {
            let limit = self.costs.limit(what);
            if value > limit {
                return Err(over_limit(what, value, limit));
            }
        }
        Ok(parse_query(text)?)
    }

    /// Runs a query once it is known what it costs. Returns the answer's text, and whether no field has failed.
    async fn run(
        &self,
        query: Result<Query, ServerError>,
        asked: &Arc<Asked>,
    ) -> Result<Result<(String, bool), Refused>, Error> {
        let measured = query.and_then(|query| {
            let measured = measure(&query.document, &query.variables, &self.costs, query.may_change)?;
            Ok((query, measured.cost))
        });
        let (query, cost) = match measured {
            Ok(measured) => measured,
            Err(error) => return Ok(Err(Refused { errors: vec![finished(error)] })),
        };
        let mut execution = Execution::new("").variables(query.variables).data(asked.clone());
        execution.operation_name = query.operation_name;
        execution.set_parsed_query(query.document);
        let mut response = self.schema.execute(execution).await;
        if let Some(failure) = asked.take_failure() {
            return Err(failure);
        }
        response.errors = response.errors.into_iter().map(finished).collect();
        if is_refused(&response) {
            return Ok(Err(Refused { errors: response.errors }));
        }
        let is_whole = response.errors.is_empty();
        let response = response.extension("cost", Value::from(cost));
        let text =
            serde_json::to_string(&response).map_err(|error| Error::internal(format!("write answer: {error}")))?;
        if text.len() > ANSWER_BYTES_MAX {
            let limit = ANSWER_BYTES_MAX as u64;
            return Ok(Err(Refused { errors: vec![over_limit("answer_bytes", text.len() as u64, limit)] }));
        }
        Ok(Ok((text, is_whole)))
    }
}

/// Whether the query was not valid, so that nothing of it has run: an error of a field says which one.
fn is_refused(response: &Response) -> bool {
    response.data == Value::Null && response.errors.iter().any(|error| error.path.is_empty())
}

#[cfg(test)]
mod tests;
