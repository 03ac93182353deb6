//! What is published beside the code agrees with it: the schema, the costs, the kept queries.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, Type, TypeKind, TypeSystemDefinition},
};
use landslide_domain::{lane::LANES_MAX, poll::PollSpec};

use super::*;
use crate::kept::KEPT;

/// Units of results that are assembled: the poll's two items, and what is assembled.
const ASSEMBLED: u64 = 3;

/// The fields of objects: whether each is a list, and of which type.
fn fields() -> BTreeMap<(String, String), (bool, String)> {
    let parsed = parse_schema(SCHEMA).unwrap();
    let mut fields = BTreeMap::new();
    for definition in parsed.definitions {
        let TypeSystemDefinition::Type(object) = definition else { continue };
        let TypeKind::Object(kind) = &object.node.kind else { continue };
        for field in &kind.fields {
            let at = (object.node.name.node.to_string(), field.node.name.node.to_string());
            fields.insert(at, unwrapped(&field.node.ty.node));
        }
    }
    fields
}

fn unwrapped(field: &Type) -> (bool, String) {
    match &field.base {
        BaseType::Named(name) => (false, name.to_string()),
        BaseType::List(inner) => (true, unwrapped(inner).1),
    }
}

#[test]
fn the_published_schema_is_the_one_that_is_served() {
    let served = schema().sdl();
    if std::env::var_os("WRITE_SCHEMA").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql"), &served).unwrap();
        return;
    }
    assert_eq!(SCHEMA, served, "WRITE_SCHEMA=1 renews it");
    let stand = Stand::new();
    let mut event = got_event("", None, &json!({}));
    event["requestContext"]["resourcePath"] = json!("/v1/graphql/schema");
    assert_eq!(stand.answer(event.clone()), (200, json!(SCHEMA), "public, max-age=60".to_owned()));
    event["headers"] = json!({"If-None-Match": "*"});
    assert_eq!(stand.answer(event).0, 304);
}

#[test]
fn costs_are_said_of_every_list_and_object_and_of_nothing_else() {
    let (fields, costs) = (fields(), Costs::read().unwrap());
    let is_object = |name: &str| fields.keys().any(|(object, _)| object == name);
    for ((object, field), (is_list, of)) in &fields {
        let cost = costs.field(object, field);
        let said = cost.and_then(|cost| cost.object.as_deref());
        assert_eq!(said, Some(of.as_str()).filter(|of| is_object(of)), "{object}.{field}");
        // A page's lists are as long as its argument says.
        let is_bounded = cost.is_some_and(|cost| cost.items.is_some()) || object == "PollConnection";
        assert!(!is_list || is_bounded, "{object}.{field}: a list without a bound");
    }
    for (object, field) in costs.names() {
        assert!(fields.contains_key(&(object.to_owned(), field.to_owned())), "{object}.{field} is no field");
    }
}

#[test]
fn the_inputs_have_every_setting_of_a_poll() {
    let parsed = parse_schema(SCHEMA).unwrap();
    let settings: BTreeSet<&str> = PollSpec::NAMES.iter().copied().chain(["options"]).collect();
    for input in ["NewPoll", "EditPoll", "CopyPoll"] {
        let mut fields = BTreeSet::new();
        for definition in &parsed.definitions {
            let TypeSystemDefinition::Type(object) = definition else { continue };
            let TypeKind::InputObject(kind) = &object.node.kind else { continue };
            if object.node.name.node == input {
                fields.extend(kind.fields.iter().map(|field| field.node.name.node.as_str()));
            }
        }
        assert_eq!(fields, settings, "{input}");
    }
}

#[test]
fn results_cost_as_much_as_either_kind_of_them_may() {
    let costs = Costs::read().unwrap();
    let reads = |field| costs.field("Counts", field).unwrap().reads;
    assert_eq!(reads("results"), ASSEMBLED.max(u64::from(LANES_MAX)));
    assert_eq!([reads("segments"), reads("series")], [ASSEMBLED; 2]);
}

#[test]
fn each_kept_query_runs_and_none_has_the_address_of_the_schema() {
    let stand =
        Stand::with(json!({"series": true, "segments": [{"name": "region", "values": ["n", "s"], "from": "vote"}]}));
    for kept in &KEPT {
        assert_ne!(kept.id, "schema");
        let variables = if kept.is_for_anyone { json!({"poll_id": "p1"}) } else { json!({}) };
        let (status, shown) = stand.post(&json!({"id": kept.id, "variables": variables}));
        assert_eq!((status, shown.get("errors")), (200, None), "{}: {shown}", kept.id);
        if kept.is_for_anyone {
            let (status, shown, _) = stand.kept(kept.id, Some(&variables.to_string()));
            assert_eq!((status, shown.get("errors")), (200, None), "{}: {shown}", kept.id);
        }
    }
}
