//! The rotation of the key of device tokens, as docs/operate.md has it, by the operator's program.

use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode};
use serde_json::{Value, json};

use crate::support::{App, assert_problem, now_ms, operator_environment, run_operator, while_changed};

const AUTHORIZER: &str = "authorizer";
const REGISTER_DEVICE: &str = "register-device";
/// The key that the test adds.
const KID: &str = "rotated";

/// What `landslide device-keys` prints, if it succeeds.
fn device_keys(app: &App, arguments: &[&str]) -> Result<String, String> {
    let mut environment = operator_environment(app);
    environment.insert("DEVICE_SECRET", app.stack.output("DeviceSecret").to_owned());
    let output = run_operator(&environment, &[&["device-keys"], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Starts new processes of a function: a changed setting does.
async fn replace_processes(app: &App, folder: &str) {
    let function = app.stack.function(folder);
    let mut variables = app.aws.variables(&function).await;
    variables["REPLACED_AT"] = json!(now_ms().to_string());
    app.aws.set_variables(&function, &variables).await;
}

fn kid(token: &str) -> Option<String> {
    decode_header(token).unwrap().kid
}

/// A device's token as it was before tokens had a `kid`.
fn token_without_kid(secret: &str) -> String {
    let device = "urn:landslide:device";
    let claims = json!({"iss": device, "aud": device, "sub": "before-kids", "exp": now_ms() / 1_000 + 3_600});
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

#[tokio::test]
async fn a_rotation_loses_no_token_until_the_old_key_is_retired() {
    let app = App::alone();
    let secret_id = app.stack.output("DeviceSecret");
    let before = app.aws.secret(secret_id).await;
    let mut variables: Vec<(String, Value)> = Vec::new();
    for folder in [AUTHORIZER, REGISTER_DEVICE] {
        let function = app.stack.function(folder);
        variables.push((function.clone(), app.aws.variables(&function).await));
    }
    while_changed(std::future::ready(()), rotate(&app, &before), async {
        app.aws.set_secret(secret_id, &before).await;
        for (function, variables) in &variables {
            app.aws.set_variables(function, variables).await;
        }
    })
    .await;
}

async fn rotate(app: &App, original: &str) {
    let poll = app.single_choice_poll().await;
    let (old, old_and_unseen) = (app.device().await, app.device().await);
    assert_eq!(kid(&old).as_deref(), Some("original"));

    let shown = device_keys(app, &["add", "--kid", KID]).unwrap();
    assert!(shown.contains("original") && shown.contains(KID) && !shown.contains(original), "{shown}");
    replace_processes(app, AUTHORIZER).await;
    assert_eq!(kid(&app.device().await).as_deref(), Some("original"), "the new key does not sign yet");

    device_keys(app, &["promote", KID]).unwrap();
    replace_processes(app, REGISTER_DEVICE).await;
    let new = app.device().await;
    assert_eq!(kid(&new).as_deref(), Some(KID));
    for token in [&old, &token_without_kid(original), &new] {
        assert_eq!(app.vote(&poll, token, &[0]).await.status, 201);
    }

    let refusal = device_keys(app, &["retire", "original"]).unwrap_err();
    assert!(refusal.contains("--lose-tokens"), "{refusal}");
    let shown = device_keys(app, &["retire", "original", "--lose-tokens"]).unwrap();
    assert!(shown.contains(KID) && !shown.contains("original "), "{shown}");
    replace_processes(app, AUTHORIZER).await;
    assert_problem(&app.vote(&poll, &old_and_unseen, &[0]).await, 401, "unauthorized");
    assert_eq!(app.vote(&poll, &app.device().await, &[0]).await.status, 201);
}
