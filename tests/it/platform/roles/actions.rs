//! Actions that a function must not have unless it needs them.

/// Actions on a table.
pub const DYNAMODB: &[&str] = &[
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
/// On a table's index.
pub const INDEX: &[&str] = &["dynamodb:Query", "dynamodb:Scan", "dynamodb:PartiQLSelect"];
/// On a table's stream.
pub const STREAM: &[&str] =
    &["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"];
/// On a queue.
pub const SQS: &[&str] = &[
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
/// On a secret.
pub const SECRETS: &[&str] = &[
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
];
/// On an object.
pub const S3: &[&str] = &["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:PutObjectAcl"];
/// On a bucket.
pub const S3_BUCKET: &[&str] = &["s3:ListBucket", "s3:DeleteBucket", "s3:PutBucketPolicy"];
/// On a stream of a function's log.
pub const LOGS: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents", "logs:GetLogEvents", "logs:DeleteLogStream"];
/// On anything else.
pub const ELSE: &[&str] = &[
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
