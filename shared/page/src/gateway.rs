//! What the gateway of pages answers by itself, such as to one request too many: one page in all languages, as it knows no
//! reader's. A test renews `infra/pages.yaml` with it.

use maud::{DOCTYPE, html};
use serde_json::{Map, Value, json};

use crate::{Language, Trouble, messages::Messages};

/// The document that API Gateway imports.
const DOCUMENT: &str = include_str!("../../../infra/pages.yaml");
/// Where in it the gateway's answers begin.
const MARK: &str = "# What follows is made by `WRITE_PAGES=1 cargo test -p landslide-page gateway`.\n";

/// The answers of the gateway that are of use to say in our words, by API Gateway's names of them.
const ANSWERS: [(&str, Trouble); 11] = [
    ("DEFAULT_4XX", Trouble::Unreadable),
    ("MISSING_AUTHENTICATION_TOKEN", Trouble::NotFound),
    ("RESOURCE_NOT_FOUND", Trouble::NotFound),
    // Of a header `Authorization`, which nothing here reads.
    ("INVALID_SIGNATURE", Trouble::NotFound),
    ("EXPIRED_TOKEN", Trouble::NotFound),
    ("THROTTLED", Trouble::Busy),
    ("QUOTA_EXCEEDED", Trouble::Busy),
    ("DEFAULT_5XX", Trouble::Unavailable),
    ("INTEGRATION_FAILURE", Trouble::Unavailable),
    ("INTEGRATION_TIMEOUT", Trouble::Unavailable),
    ("API_CONFIGURATION_ERROR", Trouble::Broken),
];

/// A page in all languages. It has neither style nor script: a policy in a header would need quotes within the quotes in which
/// API Gateway takes a header's text.
fn page(trouble: Trouble) -> String {
    let says = |language| trouble.says(Messages::of(language));
    let [first, others @ ..] = &Language::ALL;
    let (what, next) = says(*first);
    let page = html! {
        (DOCTYPE)
        html lang=(first.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (what) }
                link rel="icon" href="data:,";
            }
            body {
                main {
                    h1 { (what) }
                    p { (next) }
                    @for language in others {
                        @let (what, next) = says(*language);
                        hr;
                        p lang=(language.tag()) dir=(language.direction()) { b { (what) } " " (next) }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn answer(trouble: Trouble) -> Value {
    let mut headers = json!({
        "gatewayresponse.header.Cache-Control": "'private, no-store'",
        "gatewayresponse.header.Content-Security-Policy": "'sandbox'",
        "gatewayresponse.header.Content-Type": "'text/html; charset=utf-8'",
        "gatewayresponse.header.Referrer-Policy": "'same-origin'",
        "gatewayresponse.header.X-Content-Type-Options": "'nosniff'",
        "gatewayresponse.header.X-Frame-Options": "'DENY'",
    });
    if let Some(seconds) = trouble.retry_after_seconds() {
        headers["gatewayresponse.header.Retry-After"] = json!(format!("'{seconds}'"));
    }
    json!({
        "statusCode": trouble.status().to_string(),
        "responseParameters": headers,
        "responseTemplates": {"text/html": page(trouble)},
    })
}

/// The part of the document that is made, an answer a line. JSON is YAML.
fn part() -> String {
    let answers: Map<String, Value> =
        ANSWERS.into_iter().map(|(name, trouble)| (name.to_owned(), answer(trouble))).collect();
    let lines = answers.iter().map(|(name, answer)| format!("  {name}: {answer}\n"));
    format!("{MARK}x-amazon-apigateway-gateway-responses:\n{}", lines.collect::<String>())
}

#[test]
fn the_gateways_own_answers_are_made_of_the_messages() {
    let (written, _) = DOCUMENT.split_once(MARK).unwrap_or((DOCUMENT, ""));
    let document = format!("{written}{}", part());
    if std::env::var_os("WRITE_PAGES").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/pages.yaml"), document).unwrap();
        return;
    }
    assert_eq!(DOCUMENT, document, "WRITE_PAGES=1 renews it");
}

#[test]
fn the_gateway_puts_nothing_of_its_own_in_them() {
    for trouble in Trouble::ALL {
        assert!(!page(trouble).contains('$'), "a variable of the gateway: {trouble:?}");
    }
}
