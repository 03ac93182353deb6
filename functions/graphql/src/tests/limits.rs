//! What a query may ask for.

use super::*;
use crate::{measure::Measured, scan::scan};

fn measured(query: &str, variables: &Value) -> Result<Measured, ServerError> {
    let variables = serde_json::from_value(variables.clone()).unwrap();
    measure(&parse_query(query).unwrap(), &variables, &Costs::read().unwrap(), true)
}

fn cost(query: &str, variables: &Value) -> u64 {
    measured(query, variables).unwrap_or_else(|error| panic!("{query}: {error:?}")).cost
}

/// What is over its limit, as far as it was counted.
fn over(query: &str) -> (String, u64) {
    let error = measured(query, &json!({})).unwrap_err();
    let error = serde_json::to_value(error).unwrap();
    (
        error["extensions"]["what"].as_str().unwrap_or_default().to_owned(),
        error["extensions"]["value"].as_u64().unwrap_or_default(),
    )
}

#[test]
fn a_cost_is_what_would_be_read_at_the_most() {
    let page = "query ($n: Int = 5) { polls(first: $n) { nodes { question } } }";
    for (query, variables, expected) in [
        ("{ __typename }", json!({}), 0),
        ("{ poll(poll_id: \"a\") { question options { label } } }", json!({}), 2),
        ("{ a: poll(poll_id: \"a\") { question } b: poll(poll_id: \"b\") { question } }", json!({}), 4),
        ("{ counts(poll_id: \"a\") { results { ballots } } }", json!({}), 32),
        ("{ counts(poll_id: \"a\") { segments { ballots } series { ballots } } }", json!({}), 6),
        ("{ polls { nodes { question } } }", json!({}), 21),
        ("{ polls(first: 3) { nodes { options { id } } } }", json!({}), 10),
        ("{ polls(first: 3) { edges { node { counts { results { ballots } } } } } }", json!({}), 100),
        (page, json!({}), 6),
        (page, json!({"n": 7}), 8),
        ("query ($n: Int) { polls(first: $n) { nodes { question } } }", json!({}), 21),
        ("{ poll(poll_id: \"a\") { ...a } } fragment a on Poll { counts { results { ballots } } }", json!({}), 34),
        ("{ ... { ... on Query { counts(poll_id: \"a\") { results { ballots } } } } }", json!({}), 32),
        (
            "query ($no: Boolean!) { counts(poll_id: \"a\") { results @include(if: $no) { ballots } } }",
            json!({"no": false}),
            32,
        ),
        ("{ none { of { these } } }", json!({}), 0),
    ] {
        assert_eq!(cost(query, &variables), expected, "{query} {variables}");
    }
}

#[test]
fn each_limit_holds_at_its_value_and_not_above() {
    let repeated = |part: &str, times: usize| format!("{{ {} }}", part.repeat(times));
    for (limit, part) in [
        ("aliases", "a: __typename "),
        ("directives", "... @include(if: true) { __typename } "),
        ("fields", "__typename "),
    ] {
        let max = Costs::read().unwrap().limit(limit) as usize;
        assert!(measured(&repeated(part, max), &json!({})).is_ok(), "{limit}");
        assert_eq!(over(&repeated(part, max + 1)), (limit.to_owned(), max as u64 + 1));
    }
    let deep = |depth: usize| "{ a ".repeat(depth) + &"}".repeat(depth);
    assert!(measured(&deep(8), &json!({})).is_ok());
    assert_eq!(over(&deep(9)), ("depth".to_owned(), 9));
    let counts =
        |first: u8| format!("{{ polls(first: {first}) {{ nodes {{ counts {{ results {{ ballots }} }} }} }} }}");
    assert_eq!(cost(&counts(10), &json!({})), 331);
    assert_eq!(over(&counts(11)), ("polls_with_counts".to_owned(), 11));
    let points = "{ polls(first: 10) { nodes { counts { series { points { votes } } } } } }";
    assert_eq!(measured(points, &json!({})).unwrap().figure("values"), 1 + 10 * (1 + 1 + 1 + 1_500 + 1_500 * 14));
}

#[test]
fn what_is_scanned_is_what_limits_the_parser() {
    let costs = Costs::read().unwrap();
    let words = |number: u64| "a ".repeat(number as usize);
    assert_eq!(scan(&words(costs.limit("tokens"))).unwrap().tokens, costs.limit("tokens"));
    let stand = Stand::new();
    let code = |query: String| {
        let (status, body) = stand.post(&json!({"query": query}));
        (status, body["errors"][0]["extensions"]["what"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code(words(costs.limit("tokens") + 1)), (400, "tokens".to_owned()));
    assert_eq!(code("{".repeat(25)), (400, "nesting".to_owned()));
    assert_eq!(code("{".repeat(24)), (400, String::new()));
}
