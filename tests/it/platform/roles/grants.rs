//! What each function may do; all else it may not.

/// A resource as named in `resources::all`, and actions on it.
pub type Grant = (&'static str, &'static [&'static str]);

/// What each function may do.
pub const MAY: &[(&str, &[Grant])] = &[
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
    (
        "create-view",
        &[
            ("Polls", &["dynamodb:GetItem"]),
            ("Tenants", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("KeySecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    ("list-views", &[("Polls", &["dynamodb:GetItem"]), ("Tenants", &["dynamodb:Query"])]),
    (
        "delete-view",
        &[
            ("Polls", &["dynamodb:GetItem"]),
            ("Tenants", &["dynamodb:DeleteItem"]),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
        ],
    ),
    (
        "create-key",
        &[
            ("Tenants", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("Audit", &["dynamodb:Query", "dynamodb:PutItem"]),
            ("KeySecret", &["secretsmanager:GetSecretValue"]),
        ],
    ),
    ("list-keys", &[("Tenants", &["dynamodb:Query"])]),
    ("delete-key", &[("Tenants", &["dynamodb:DeleteItem"]), ("Audit", &["dynamodb:Query", "dynamodb:PutItem"])]),
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
        "tally-votes",
        &[
            ("Polls", &["dynamodb:UpdateItem"]),
            ("Tallies", &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"]),
            (
                "TallyQueue",
                &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
            ),
            ("TallyDlq", &["sqs:SendMessage"]),
        ],
    ),
];
