//! Each function's role may do what the function does, and nothing else.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{App, Process};

/// Actions that a function must not have unless it needs them, by service.
const DYNAMODB: &[&str] = &[
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteTable",
    "dynamodb:UpdateTable",
    "dynamodb:PartiQLSelect",
    "dynamodb:PartiQLUpdate",
    "dynamodb:DescribeTable",
    "dynamodb:UpdateTimeToLive",
    "dynamodb:ExportTableToPointInTime",
];
const STREAM: &[&str] =
    &["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"];
const SQS: &[&str] = &[
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
    "sqs:SetQueueAttributes",
    "sqs:PurgeQueue",
    "sqs:DeleteQueue",
    "sqs:StartMessageMoveTask",
];
const SECRETS: &[&str] = &[
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
];
const S3: &[&str] = &["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:PutObjectAcl"];
const S3_BUCKET: &[&str] = &["s3:ListBucket", "s3:DeleteBucket", "s3:PutBucketPolicy"];
const LOGS: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents", "logs:GetLogEvents", "logs:DeleteLogStream"];
const ELSE: &[&str] = &[
    "iam:PassRole",
    "iam:CreateUser",
    "sts:AssumeRole",
    "lambda:InvokeFunction",
    "lambda:UpdateFunctionCode",
    "cloudformation:DeleteStack",
    "logs:CreateLogGroup",
    "kms:Decrypt",
    "ssm:GetParameter",
];

/// A resource as named in `resources`, and actions on it.
type Grant = (&'static str, &'static [&'static str]);

/// What each function may do.
const MAY: [(&str, &[Grant]); 13] = [
    (
        "create-poll",
        &[("Polls", &["dynamodb:Query", "dynamodb:PutItem"]), ("PollIdSecret", &["secretsmanager:GetSecretValue"])],
    ),
    ("list-polls", &[("index of Polls", &["dynamodb:Query"])]),
    ("get-poll", &[("Polls", &["dynamodb:Query"])]),
    ("update-poll", &[("Polls", &["dynamodb:Query", "dynamodb:PutItem"])]),
    ("close-poll", &[("Polls", &["dynamodb:Query", "dynamodb:PutItem"])]),
    ("register-device", &[("DeviceSecret", &["secretsmanager:GetSecretValue"])]),
    ("cast-vote", &[("Polls", &["dynamodb:GetItem"]), ("Votes", &["dynamodb:GetItem", "dynamodb:PutItem"])]),
    ("get-vote", &[("Polls", &["dynamodb:GetItem"]), ("Votes", &["dynamodb:GetItem"])]),
    ("retract-vote", &[("Polls", &["dynamodb:GetItem"]), ("Votes", &["dynamodb:GetItem", "dynamodb:PutItem"])]),
    (
        "get-results",
        &[
            ("Polls", &["dynamodb:BatchGetItem"]),
            ("Tallies", &["dynamodb:BatchGetItem"]),
            ("Votes", &["dynamodb:GetItem"]),
        ],
    ),
    ("authorizer", &[("DeviceSecret", &["secretsmanager:GetSecretValue"])]),
    (
        "relay-votes",
        &[
            (
                "stream of Votes",
                &[
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:DescribeStream",
                    "dynamodb:ListStreams",
                ],
            ),
            ("TallyQueue", &["sqs:SendMessage"]),
            ("RelayDlq", &["sqs:SendMessage"]),
            ("failures of the relay", &["s3:PutObject"]),
            ("RelayFailuresBucket", &["s3:ListBucket"]),
        ],
    ),
    (
        "tally-votes",
        &[
            ("Tallies", &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"]),
            (
                "TallyQueue",
                &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
            ),
            ("TallyDlq", &["sqs:SendMessage"]),
        ],
    ),
];

/// A resource of the stack, and the actions that are tried on it.
struct Resource {
    name: String,
    arn: String,
    actions: &'static [&'static str],
}

async fn resources(app: &App) -> Vec<Resource> {
    let mut resources = Vec::new();
    let mut add = |name: &str, arn: String, actions| resources.push(Resource { name: name.to_owned(), arn, actions });
    for name in ["Polls", "Votes", "Tallies"] {
        let table = app.aws.table(app.stack.output(&format!("{name}Table"))).await;
        let arn = table["TableArn"].as_str().unwrap().to_owned();
        add(&format!("index of {name}"), format!("{arn}/index/by-owner"), DYNAMODB);
        add(name, arn, DYNAMODB);
        if name == "Votes" {
            add("stream of Votes", table["LatestStreamArn"].as_str().unwrap().to_owned(), STREAM);
        }
    }
    for name in ["TallyQueue", "TallyDlq", "RelayDlq"] {
        add(name, app.aws.queue_arn(app.stack.output(&format!("{name}Url"))).await, SQS);
    }
    for (name, function, variable) in
        [("DeviceSecret", "register-device", "DEVICE_SECRET"), ("PollIdSecret", "create-poll", "POLL_ID_SECRET")]
    {
        let function = app.aws.function(&app.stack.function(function)).await;
        add(name, function["Environment"]["Variables"][variable].as_str().unwrap().to_owned(), SECRETS);
    }
    let bucket = format!("arn:aws:s3:::{}", app.stack.output("RelayFailuresBucket"));
    add("failures of the relay", format!("{bucket}/aws/lambda/some/failure"), S3);
    add("other objects of the failures bucket", format!("{bucket}/other"), S3);
    add("RelayFailuresBucket", bucket, S3_BUCKET);
    add("another bucket", "arn:aws:s3:::another-bucket/aws/lambda/x".to_owned(), S3);
    add("another table", "arn:aws:dynamodb:us-east-1:000000000000:table/another".to_owned(), DYNAMODB);
    add("anything", "*".to_owned(), ELSE);
    resources
}

/// Actions of every function on every resource: by IAM's policy simulator, which needs no trust in the tests. That the
/// cloud enforces the policies while the whole suite runs shows that each function has enough.
#[tokio::test]
async fn each_function_may_do_exactly_what_it_does() {
    let app = App::new();
    let resources = resources(&app).await;
    let mut wrong = Vec::new();
    for (function, may) in MAY {
        let role = app.aws.function(&app.stack.function(function)).await["Role"].as_str().unwrap().to_owned();
        for (name, _) in may {
            assert!(resources.iter().any(|resource| resource.name == *name), "{name} is no resource");
        }
        for resource in &resources {
            let expected: BTreeSet<String> = may
                .iter()
                .filter(|(name, _)| *name == resource.name)
                .flat_map(|(_, actions)| *actions)
                .map(|action| (*action).to_owned())
                .collect();
            let allowed: BTreeSet<String> =
                app.aws.allowed(&role, &resource.arn, resource.actions).await.into_iter().collect();
            if allowed != expected {
                wrong.push(format!("{function} on {}: may {allowed:?}, should {expected:?}", resource.name));
            }
        }
        for (other, _) in MAY {
            let arn = log_stream(&role, &app.stack.region, &app.stack.function(other));
            let allowed = app.aws.allowed(&role, &arn, LOGS).await;
            let expected: &[&str] =
                if other == function { &["logs:CreateLogStream", "logs:PutLogEvents"] } else { &[] };
            if allowed != expected {
                wrong.push(format!("{function} on the logs of {other}: may {allowed:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The policies are not only there, they are enforced: with the credentials of functions that run now.
#[tokio::test]
async fn a_functions_credentials_do_nothing_that_its_role_does_not_allow() {
    let app = App::new();
    if app.stack.lacks("function-processes") || app.stack.lacks("enforced-iam") {
        return;
    }
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, [0]).await;
    app.results_settle_at(&poll, 1).await;
    let processes = Process::of(&app.stack);
    let table = |output: &str| json!({"TableName": app.stack.output(output)});
    let queue = json!({"QueueUrl": app.stack.output("RelayDlqUrl"), "VisibilityTimeout": 0});
    let forbidden = [
        ("dynamodb", "DynamoDB_20120810.Scan", table("PollsTable")),
        ("dynamodb", "DynamoDB_20120810.Scan", table("VotesTable")),
        ("dynamodb", "DynamoDB_20120810.Scan", table("TalliesTable")),
        ("sqs", "AmazonSQS.ReceiveMessage", queue),
        ("secretsmanager", "secretsmanager.ListSecrets", json!({})),
    ];
    let mut tried = BTreeSet::new();
    for process in processes {
        let aws = app.aws.with_credentials_of(&process.environment);
        if process.function == app.stack.function("cast-vote") {
            assert!(aws.poll_item(&poll, "RULES").await.is_object(), "the credentials are good for what is allowed");
        }
        for (service, target, body) in &forbidden {
            let refusal = aws.try_json(service, target, body).await;
            assert!(
                refusal.as_ref().is_err_and(|text| text.contains("AccessDenied")),
                "{} {target}: {refusal:?}",
                process.function
            );
        }
        tried.insert(process.function);
    }
    let on_the_way = ["create-poll", "authorizer", "cast-vote", "relay-votes", "tally-votes", "get-results"];
    assert!(on_the_way.iter().all(|function| tried.contains(&app.stack.function(function))), "{tried:?}");
}

#[tokio::test]
async fn no_two_functions_share_a_role() {
    let app = App::new();
    let mut roles = BTreeSet::new();
    for (function, _) in MAY {
        roles.insert(app.aws.function(&app.stack.function(function)).await["Role"].as_str().unwrap().to_owned());
    }
    assert_eq!(roles.len(), MAY.len(), "{roles:#?}");
}

/// The ARN of a log stream of a function, in the account of a role.
fn log_stream(role_arn: &str, region: &str, function: &str) -> String {
    let account = role_arn.split(':').nth(4).unwrap();
    format!("arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{function}:log-stream:2026/11/24/x")
}
