//! The settings of a poll are declared in `poll::PollSpec`; what has to name them in another language names the same ones.
//! So with how long a deleted token is taken.

#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::collections::BTreeSet;

use landslide_domain::{opaque_token::DELETION_MS, poll::PollSpec};
use saphyr::{LoadableYamlNode, Yaml};

const API: &str = include_str!("../../../infra/openapi.yaml");

fn read(text: &'static str) -> Yaml<'static> {
    Yaml::load_from_str(text).unwrap().swap_remove(0)
}

fn keys<'a>(object: &'a Yaml<'_>) -> BTreeSet<&'a str> {
    object.as_mapping().unwrap().keys().filter_map(Yaml::as_str).collect()
}

/// The settings, and what else there is.
fn settings_and(others: &[&'static str]) -> BTreeSet<&'static str> {
    PollSpec::NAMES.iter().chain(others).copied().collect()
}

fn properties(schema: &str) -> BTreeSet<String> {
    let api = read(API);
    keys(&api["components"]["schemas"][schema]["properties"]).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_api_takes_every_setting_and_labels_in_a_new_poll_and_in_a_change() {
    for schema in ["NewPoll", "EditPoll", "CopyPoll"] {
        assert_eq!(properties(schema), settings_and(&["options"]).into_iter().map(str::to_owned).collect(), "{schema}");
    }
}

#[test]
fn the_api_shows_every_setting() {
    const ALL: [&str; 6] = ["poll_id", "status", "paused_from", "lot_seed_sha256", "revision", "created_at"];
    for (schema, besides) in
        [("ListedPoll", &["offered_to"][..]), ("Poll", &["options"]), ("OwnPoll", &["options", "offered_to"])]
    {
        let besides = [&ALL, besides].concat();
        assert_eq!(properties(schema), settings_and(&besides).into_iter().map(str::to_owned).collect(), "{schema}");
    }
}

#[test]
fn the_gateway_takes_a_deleted_token_for_no_longer_than_its_deletion_says() {
    let api = read(API);
    let owner = &api["components"]["securitySchemes"]["owner"]["x-amazon-apigateway-authorizer"];
    let kept = owner["authorizerResultTtlInSeconds"].as_integer().unwrap();
    assert_eq!(u64::try_from(kept).unwrap() * 1_000, DELETION_MS);
}
