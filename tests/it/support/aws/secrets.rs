//! Secrets Manager: the texts of secrets.

use serde_json::json;

use super::client::Aws;

impl Aws {
    /// A secret's text.
    pub async fn secret(&self, id: &str) -> String {
        let secret = self.json("secretsmanager", "secretsmanager.GetSecretValue", &json!({"SecretId": id})).await;
        secret["SecretString"].as_str().unwrap().to_owned()
    }

    /// Gives a secret another text.
    pub async fn set_secret(&self, id: &str, text: &str) {
        let token = format!("{:032x}", fastrand::u128(..)); // which an SDK would draw
        let body = json!({"SecretId": id, "SecretString": text, "ClientRequestToken": token});
        self.json("secretsmanager", "secretsmanager.PutSecretValue", &body).await;
    }
}
