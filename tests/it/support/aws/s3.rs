//! S3: buckets and their objects.

use serde_json::Value;

use super::client::{Aws, until_tag};

impl Aws {
    /// The names of all buckets.
    pub async fn buckets(&self) -> Vec<String> {
        let (_, answer) = self.call("s3", "GET", "/", &[], String::new()).await;
        answer.split("<Name>").skip(1).map(|bucket| until_tag(bucket).to_owned()).collect()
    }

    /// The keys of a bucket's objects.
    pub async fn objects(&self, bucket: &str) -> Vec<String> {
        let (_, listed) = self.call("s3", "GET", &format!("/{bucket}?list-type=2"), &[], String::new()).await;
        listed.split("<Key>").skip(1).map(|key| until_tag(key).to_owned()).collect()
    }

    /// An object's JSON.
    pub async fn object(&self, bucket: &str, key: &str) -> Value {
        let (_, object) = self.call("s3", "GET", &format!("/{bucket}/{key}"), &[], String::new()).await;
        serde_json::from_str(&object).unwrap()
    }

    /// Writes an object.
    pub async fn put_object(&self, bucket: &str, key: &str, text: String) {
        self.call("s3", "PUT", &format!("/{bucket}/{key}"), &[], text).await;
    }

    /// Deletes an object.
    pub async fn delete_object(&self, bucket: &str, key: &str) {
        self.call("s3", "DELETE", &format!("/{bucket}/{key}"), &[], String::new()).await;
    }
}
