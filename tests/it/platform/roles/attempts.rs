//! How actions are tried: by a call that would do nothing if it were allowed.

use serde_json::{Value, json};

use super::resources::Resource;

/// A call of AWS that an action allows, or without it refuses.
pub struct Attempt {
    /// The service, as a signature names it.
    pub service: &'static str,
    /// Method and path.
    pub request: (&'static str, String),
    /// The operation, of a service that speaks JSON.
    pub target: Option<String>,
    /// The body.
    pub body: String,
}

/// How an action on a resource is tried; or why it is not.
pub fn attempt(action: &str, resource: &Resource) -> Result<Attempt, &'static str> {
    let (service, operation) = action.split_once(':').unwrap();
    match service {
        "dynamodb" => dynamodb(operation, resource),
        "sqs" => sqs(operation, &resource.handle),
        "secretsmanager" => secret(operation, &resource.handle),
        "s3" => s3(operation, &resource.handle),
        _ => other(service, operation),
    }
}

const DESTROYS: &str = "it would destroy what it is tried on";
const UNSEEN: &str = "the local cloud does not see which resource it is for";
const NO_CALL: &str = "it is no call by itself";

fn json_call(service: &'static str, prefix: &str, operation: &str, body: &Value) -> Attempt {
    let target = Some(format!("{prefix}.{operation}"));
    Attempt { service, request: ("POST", "/".to_owned()), target, body: body.to_string() }
}

/// Calls that a table refuses for their form (a key that it does not have, a setting that is missing), or that read.
fn dynamodb(operation: &str, resource: &Resource) -> Result<Attempt, &'static str> {
    let (table, index) = resource.handle.split_once('/').map_or((&*resource.handle, None), |(t, i)| (t, Some(i)));
    let key = json!({"no_key": {"S": "iam"}});
    let mut body = match operation {
        "GetItem" | "UpdateItem" | "DeleteItem" => json!({"Key": key}),
        "BatchGetItem" => json!({"RequestItems": {table: {"Keys": [key], "ProjectionExpression": "no_key"}}}),
        "BatchWriteItem" => json!({"RequestItems": {table: [{"DeleteRequest": {"Key": key}}]}}),
        "PutItem" => json!({"Item": key}),
        "Query" => json!({"KeyConditionExpression": "no_key = :k", "ExpressionAttributeValues": {":k": {"S": "iam"}}}),
        "Scan" => json!({"Limit": 1}),
        "UpdateTable" | "DescribeTable" | "UpdateTimeToLive" => json!({}),
        "DeleteTable" => return Err(DESTROYS),
        _ => return Err(UNSEEN),
    };
    if let Some(index) = index {
        body["IndexName"] = json!(index);
    }
    if !operation.starts_with("Batch") {
        body["TableName"] = json!(table);
    }
    Ok(json_call("dynamodb", "DynamoDB_20120810", operation, &body))
}

fn sqs(operation: &str, queue: &str) -> Result<Attempt, &'static str> {
    let mut body = match operation {
        "SendMessage" | "GetQueueAttributes" => json!({}),
        // No visibility timeout, so that the message's real receiver can still get it at once.
        "ReceiveMessage" => json!({"VisibilityTimeout": 0, "MaxNumberOfMessages": 1}),
        "DeleteMessage" => json!({"ReceiptHandle": "none"}),
        "ChangeMessageVisibility" => json!({"ReceiptHandle": "none", "VisibilityTimeout": 0}),
        "SetQueueAttributes" => json!({"Attributes": {}}),
        "PurgeQueue" | "DeleteQueue" => return Err(DESTROYS),
        _ => return Err(UNSEEN),
    };
    body["QueueUrl"] = json!(queue);
    Ok(json_call("sqs", "AmazonSQS", operation, &body))
}

fn secret(operation: &str, id: &str) -> Result<Attempt, &'static str> {
    let mut body = match operation {
        // The shortest window is seven days.
        "DeleteSecret" => json!({"RecoveryWindowInDays": 1}),
        _ => json!({}),
    };
    body["SecretId"] = json!(id);
    Ok(json_call("secretsmanager", "secretsmanager", operation, &body))
}

fn s3(operation: &str, place: &str) -> Result<Attempt, &'static str> {
    let (method, query) = match operation {
        "PutObject" => ("PUT", ""),
        "GetObject" | "ListBucket" => ("GET", ""),
        "DeleteObject" => ("DELETE", ""),
        "PutObjectAcl" => ("PUT", "?acl="),
        "PutBucketPolicy" => ("PUT", "?policy="),
        _ => return Err(DESTROYS),
    };
    Ok(Attempt { service: "s3", request: (method, format!("/{place}{query}")), target: None, body: String::new() })
}

fn other(service: &str, operation: &str) -> Result<Attempt, &'static str> {
    match (service, operation) {
        ("kms", _) => Ok(json_call("kms", "TrentService", operation, &json!({"CiphertextBlob": "aWFt"}))),
        ("ssm", _) => Ok(json_call("ssm", "AmazonSSM", operation, &json!({"Name": "/iam"}))),
        ("logs", "CreateLogGroup") => {
            Ok(json_call("logs", "Logs_20140328", operation, &json!({"logGroupName": "no:name"})))
        }
        ("logs", _) => Err(UNSEEN),
        ("iam", "PassRole") => Err(NO_CALL),
        ("iam", _) => Ok(form("iam", "Action=CreateUser&Version=2010-05-08&UserName=no%20name")),
        ("cloudformation", _) => {
            Ok(form("cloudformation", "Action=DeleteStack&Version=2010-05-15&StackName=no-such-stack"))
        }
        ("sts", _) => Ok(form(
            "sts",
            "Action=AssumeRole&Version=2011-06-15&RoleSessionName=iam&RoleArn=arn:aws:iam::000000000000:role/none",
        )),
        ("lambda", "InvokeFunction") => Ok(Attempt {
            service: "lambda",
            request: ("POST", "/2015-03-31/functions/no-such-function/invocations".to_owned()),
            target: None,
            body: "{}".to_owned(),
        }),
        ("lambda", _) => Ok(Attempt {
            service: "lambda",
            request: ("PUT", "/2015-03-31/functions/no-such-function/code".to_owned()),
            target: None,
            body: "{}".to_owned(),
        }),
        _ => panic!("{service}:{operation} is no action of the tables above"),
    }
}

/// A call of a service that takes forms.
fn form(service: &'static str, form: &str) -> Attempt {
    Attempt { service, request: ("POST", "/".to_owned()), target: None, body: form.to_owned() }
}
