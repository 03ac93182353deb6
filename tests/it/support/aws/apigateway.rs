//! API Gateway: the throttles of methods.

use serde_json::{Value, json};

use super::client::Aws;

impl Aws {
    /// What a method of the API sustains: its throttle's rate and burst, or those of all methods.
    pub async fn throttle(&self, api: &str, method: &str) -> (String, String) {
        let (_, answer) =
            self.call("apigateway", "GET", &format!("/restapis/{api}/stages/prod"), &[], String::new()).await;
        let stage: Value = serde_json::from_str(&answer).unwrap();
        let settings = &stage["methodSettings"];
        // On AWS a key has the path escaped, on MiniStack plain.
        let keys = [&escaped(method)[1..], method, "*/*"];
        let settings = keys.iter().map(|key| &settings[*key]).find(|found| found.is_object());
        let settings = settings.unwrap_or_else(|| panic!("no throttle of {method} in {stage}"));
        (settings["throttlingRateLimit"].to_string(), settings["throttlingBurstLimit"].to_string())
    }

    /// Sets a method's throttle; `method` as in `v1/devices/POST`.
    pub async fn set_throttle(&self, api: &str, method: &str, (rate, burst): (&str, &str)) {
        let of = |name: &str| format!("{}/throttling/{name}", escaped(method));
        let body = json!({"patchOperations": [
            {"op": "replace", "path": of("rateLimit"), "value": rate},
            {"op": "replace", "path": of("burstLimit"), "value": burst},
        ]});
        let headers = [("content-type", "application/json")];
        self.call("apigateway", "PATCH", &format!("/restapis/{api}/stages/prod"), &headers, body.to_string()).await;
    }
}

/// A method in a patch operation's path: `/~1v1~1devices/POST` of `v1/devices/POST`.
fn escaped(method: &str) -> String {
    let (path, verb) = method.rsplit_once('/').unwrap();
    format!("/~1{}/{verb}", path.replace('/', "~1"))
}
