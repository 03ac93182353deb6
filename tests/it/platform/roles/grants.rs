//! What each function may do; all else it may not.

use std::sync::LazyLock;

use crate::support::Stack;

/// A resource as named in `resources::all`, and actions on it.
pub type Grant = (&'static str, &'static [&'static str]);

/// What counts a tenant's requests.
const COUNTS_REQUESTS: Grant = ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem"]);

/// What changes a poll. The releases that a rollback brings back put whole items.
const CHANGES_POLLS: Grant = ("Polls", &["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:PutItem"]);

/// What reads a stream.
const READS_STREAM: &[&str] =
    &["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "dynamodb:ListStreams"];

/// What each function of the stack may do.
pub static MAY: LazyLock<Vec<(&str, &[Grant])>> = LazyLock::new(|| {
    let mut may = ALWAYS.to_vec();
    if Stack::read().has("analytics") {
        may.retain(|(function, _)| *function != "relay-changes");
        may.extend_from_slice(WITH_ANALYTICS);
    }
    may
});

/// What is more, or other, in a stack with analytics.
const WITH_ANALYTICS: &[(&str, &[Grant])] = &[
    (
        "relay-changes",
        &[
            ("stream of Polls", READS_STREAM),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("Jobs", &["dynamodb:PutItem"]), // marks
            ("RelayDlq", &["sqs:SendMessage"]),
            ("failures of the relay", &["s3:PutObject"]),
            ("RelayFailuresBucket", &["s3:ListBucket"]),
        ],
    ),
    ("announce-changes", &[("stream of Tallies", READS_STREAM), ("Jobs", &["dynamodb:PutItem"])]),
    (
        "sync-analytics",
        &[
            ("Polls", &["dynamodb:BatchGetItem"]),
            ("index by-owner of Polls", &["dynamodb:Scan"]),
            ("Tallies", &["dynamodb:BatchGetItem", "dynamodb:GetItem"]),
            ("Jobs", &["dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]),
        ],
    ),
];

/// What each function may do in a stack without analytics.
const ALWAYS: &[(&str, &[Grant])] = &[
    (
        "create-poll",
        &[
            ("Polls", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("index by-closing of Polls", &["dynamodb:Query"]),
            COUNTS_REQUESTS,
            ("PollIdSecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    (
        "list-polls",
        &[
            ("index by-owner of Polls", &["dynamodb:Query"]),
            ("Polls", &["dynamodb:BatchGetItem"]), // without secrets
            COUNTS_REQUESTS,
        ],
    ),
    ("get-poll", &[("Polls", &["dynamodb:Query"])]),
    ("update-poll", &[CHANGES_POLLS, COUNTS_REQUESTS]),
    ("close-poll", &[CHANGES_POLLS, COUNTS_REQUESTS]),
    ("pause-poll", &[CHANGES_POLLS, COUNTS_REQUESTS]),
    (
        "copy-poll",
        &[
            ("Polls", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("index by-closing of Polls", &["dynamodb:Query"]),
            COUNTS_REQUESTS,
            ("PollIdSecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    ("transfer-poll", &[CHANGES_POLLS, COUNTS_REQUESTS]),
    ("hide-answers", &[("Polls", &["dynamodb:Query", "dynamodb:UpdateItem"]), COUNTS_REQUESTS]),
    ("get-hidden-answers", &[("Polls", &["dynamodb:Query"]), COUNTS_REQUESTS]),
    ("register-device", &[("DeviceSecret", &["secretsmanager:GetSecretValue"])]),
    (
        "cast-vote",
        &[
            ("Polls", &["dynamodb:GetItem"]),
            ("Votes", &["dynamodb:GetItem", "dynamodb:PutItem"]),
            ("OriginVerifySecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    ("get-vote", &[("Polls", &["dynamodb:GetItem"]), ("Votes", &["dynamodb:GetItem"])]),
    ("retract-vote", &[("Polls", &["dynamodb:GetItem"]), ("Votes", &["dynamodb:GetItem", "dynamodb:PutItem"])]),
    (
        "get-results",
        &[
            ("Polls", &["dynamodb:BatchGetItem"]),
            ("Tallies", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), // the lease of assembled results
            ("Votes", &["dynamodb:GetItem"]),
            ("AssemblyQueue", &["sqs:SendMessage"]),
        ],
    ),
    (
        "show-poll",
        &[
            ("Polls", &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"]),
            ("Votes", &["dynamodb:GetItem", "dynamodb:PutItem"]),
            ("Tallies", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), // the lease of assembled results
            ("AssemblyQueue", &["sqs:SendMessage"]),
            ("Tenants", &["dynamodb:GetItem"]), // view links
            ("KeySecret", &["secretsmanager:GetSecretValue"]),
            ("DeviceSecret", &["secretsmanager:GetSecretValue"]),
            ("PageSecret", &["secretsmanager:GetSecretValue"]),
            ("OriginVerifySecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    (
        "sign-in",
        &[
            ("PageSecret", &["secretsmanager:GetSecretValue"]),
            ("ClientSecrets", &["secretsmanager:GetSecretValue"]),
            ("KeySets", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    (
        "get-segments",
        &[
            ("Polls", &["dynamodb:BatchGetItem"]),
            ("Tallies", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), // the lease of assembled results
            ("Votes", &["dynamodb:GetItem"]),
            ("AssemblyQueue", &["sqs:SendMessage"]),
        ],
    ),
    (
        "get-series",
        &[
            ("Polls", &["dynamodb:BatchGetItem"]),
            ("Tallies", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), // the lease of assembled results
            ("Votes", &["dynamodb:GetItem"]),
            ("AssemblyQueue", &["sqs:SendMessage"]),
        ],
    ),
    (
        "graphql",
        &[
            ("Polls", &["dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]),
            ("index by-owner of Polls", &["dynamodb:Query"]),
            ("index by-closing of Polls", &["dynamodb:Query"]),
            ("Tallies", &["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]), // the lease of assembled results
            ("Votes", &["dynamodb:GetItem"]),
            ("AssemblyQueue", &["sqs:SendMessage"]),
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query"]),
            ("PollIdSecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    (
        "assemble-results",
        &[
            ("Polls", &["dynamodb:BatchGetItem"]),
            ("Tallies", &["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem"]), // what is assembled
            ("AssemblyQueue", &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]),
        ],
    ),
    (
        "create-view",
        &[
            ("Polls", &["dynamodb:GetItem"]),
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:PutItem"]),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("KeySecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    (
        "list-views",
        &[
            ("Polls", &["dynamodb:GetItem"]),
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query"]),
        ],
    ),
    (
        "delete-view",
        &[
            ("Polls", &["dynamodb:GetItem"]),
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
        ],
    ),
    (
        "create-key",
        &[
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:PutItem"]),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("KeySecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    ("list-keys", &[("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query"])]),
    ("list-audit", &[("Audit", &["dynamodb:Query"]), COUNTS_REQUESTS]),
    (
        "delete-key",
        &[
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
        ],
    ),
    (
        "get-usage",
        &[
            ("index by-owner of Polls", &["dynamodb:Query"]),
            ("Polls", &["dynamodb:BatchGetItem"]),
            ("Tallies", &["dynamodb:BatchGetItem"]),
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:Query"]),
        ],
    ),
    ("get-analytics", &[COUNTS_REQUESTS]),
    (
        "authorizer",
        &[("DeviceSecret", &["secretsmanager:GetSecretValue"]), ("KeySets", &["secretsmanager:GetSecretValue"])],
    ),
    (
        "authorizer-owners",
        &[
            ("DeviceSecret", &["secretsmanager:GetSecretValue"]),
            ("KeySets", &["secretsmanager:GetSecretValue"]),
            ("KeySecret", &["secretsmanager:GetSecretValue"]),
            ("Tenants", &["dynamodb:GetItem", "dynamodb:UpdateItem"]),
        ],
    ),
    ("refresh-keys", &[("KeySets", &["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"])]),
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
        "relay-changes",
        &[
            (
                "stream of Polls",
                &[
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:DescribeStream",
                    "dynamodb:ListStreams",
                ],
            ),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("RelayDlq", &["sqs:SendMessage"]),
            ("failures of the relay", &["s3:PutObject"]),
            ("RelayFailuresBucket", &["s3:ListBucket"]),
        ],
    ),
    (
        "tick",
        &[
            ("index by-due of Polls", &["dynamodb:Query"]),
            ("Jobs", &["dynamodb:GetItem", "dynamodb:UpdateItem"]),
            ("FinaliseQueue", &["sqs:SendMessage"]),
        ],
    ),
    (
        "finalise-poll",
        &[
            ("Polls", &["dynamodb:GetItem", "dynamodb:UpdateItem"]),
            ("Votes", &["dynamodb:Query"]),
            ("Tallies", &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem"]),
            ("Jobs", &["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:PutItem"]),
            (
                "FinaliseQueue",
                &[
                    "sqs:SendMessage",
                    "sqs:ReceiveMessage",
                    "sqs:DeleteMessage",
                    "sqs:ChangeMessageVisibility",
                    "sqs:GetQueueAttributes",
                ],
            ),
        ],
    ),
    (
        "tally-votes",
        &[
            ("Polls", &["dynamodb:UpdateItem"]),
            ("Tallies", &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem"]),
            (
                "TallyQueue",
                &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
            ),
            ("TallyDlq", &["sqs:SendMessage"]),
        ],
    ),
];
