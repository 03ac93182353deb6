//! The stack's resources, and others that no function has to do with.

use super::actions::{DYNAMODB, ELSE, INDEX, S3, S3_BUCKET, SECRETS, SQS, STREAM};
use crate::support::App;

/// A resource, and the actions that are tried on it.
pub struct Resource {
    /// Its name in `grants::MAY`.
    pub name: String,
    /// Its name in policies.
    pub arn: String,
    /// Its name in calls: a table, with its index after a slash, a queue's URL, a secret's id, a bucket and its key.
    pub handle: String,
    /// All that could be done with it.
    pub actions: &'static [&'static str],
}

/// The path of an object that is of no use to anyone.
const OBJECT: &str = "aws/lambda/iam-matrix";

/// All of them.
pub async fn all(app: &App) -> Vec<Resource> {
    let mut resources = Vec::new();
    let mut add = |name: &str, arn: String, handle: String, actions| {
        resources.push(Resource { name: name.to_owned(), arn, handle, actions });
    };
    for name in ["Polls", "Votes", "Tallies", "Tenants", "Audit", "Jobs"] {
        let table_name = app.stack.output(&format!("{name}Table")).to_owned();
        let table = app.aws.table(&table_name).await;
        let arn = table["TableArn"].as_str().unwrap().to_owned();
        if name == "Polls" {
            for index in ["by-owner", "by-closing", "by-due"] {
                let name = format!("index {index} of Polls");
                add(&name, format!("{arn}/index/{index}"), format!("{table_name}/{index}"), INDEX);
            }
        }
        add(name, arn, table_name, DYNAMODB);
        if ["Polls", "Votes"].contains(&name) || name == "Tallies" && app.stack.has("analytics") {
            let arn = table["LatestStreamArn"].as_str().unwrap().to_owned();
            add(&format!("stream of {name}"), arn.clone(), arn, STREAM);
        }
    }
    for name in ["TallyQueue", "TallyDlq", "RelayDlq", "AssemblyQueue", "FinaliseQueue", "FinaliseDlq"] {
        let url = app.stack.output(&format!("{name}Url")).to_owned();
        add(name, app.aws.queue_arn(&url).await, url, SQS);
    }
    for (name, function, variable) in [
        ("DeviceSecret", "register-device", "DEVICE_SECRET"),
        ("PollIdSecret", "create-poll", "POLL_ID_SECRET"),
        ("OriginVerifySecret", "cast-vote", "ORIGIN_VERIFY_SECRET"),
        ("KeySets", "refresh-keys", "KEY_SETS_SECRET"),
        ("KeySecret", "create-key", "KEY_SECRET"),
        ("PageSecret", "sign-in", "PAGE_SECRET"),
        ("ClientSecrets", "sign-in", "CLIENT_SECRETS"),
    ] {
        let function = app.aws.function(&app.stack.function(function)).await;
        let arn = function["Environment"]["Variables"][variable].as_str().unwrap().to_owned();
        add(name, arn.clone(), arn, SECRETS);
    }
    let bucket = app.stack.output("RelayFailuresBucket").to_owned();
    let mut object = |name: &str, place: String| add(name, format!("arn:aws:s3:::{place}"), place, S3);
    object("failures of the relay", format!("{bucket}/{OBJECT}"));
    object("other objects of the failures bucket", format!("{bucket}/other"));
    // The one with the stack's code in it, on clouds that `make up` deploys to.
    let others = app.aws.buckets().await.into_iter().find(|name| *name != bucket);
    object("another bucket", format!("{}/{OBJECT}", others.expect("a bucket from which the stack is deployed")));
    add("RelayFailuresBucket", format!("arn:aws:s3:::{bucket}"), bucket, S3_BUCKET);
    let another = "arn:aws:dynamodb:us-east-1:000000000000:table/another".to_owned();
    add("another table", another, "another".to_owned(), DYNAMODB);
    add("anything", "*".to_owned(), String::new(), ELSE);
    resources
}
