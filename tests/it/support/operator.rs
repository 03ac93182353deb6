//! The operator's program over the stack.

use std::{
    collections::HashMap,
    process::{Command, Output},
};

use serde_json::Value;

use super::app::App;

/// Variables by which the program knows the stack's parts, and the stack's outputs.
const NAMES: [(&str, &str); 12] = [
    ("POLLS_TABLE", "PollsTable"),
    ("VOTES_TABLE", "VotesTable"),
    ("TALLIES_TABLE", "TalliesTable"),
    ("TENANTS_TABLE", "TenantsTable"),
    ("AUDIT_TABLE", "AuditTable"),
    ("JOBS_TABLE", "JobsTable"),
    ("FINALISE_QUEUE_URL", "FinaliseQueueUrl"),
    ("LIMITS", "Limits"),
    ("TALLY_QUEUE_URL", "TallyQueueUrl"),
    ("TALLY_DLQ_URL", "TallyDlqUrl"),
    ("RELAY_DLQ_URL", "RelayDlqUrl"),
    ("RELAY_FAILURES_BUCKET", "RelayFailuresBucket"),
];

/// What the program is told by the environment.
pub fn operator_environment(app: &App) -> HashMap<&'static str, String> {
    let names = NAMES.map(|(variable, output)| (variable, app.stack.output(output).to_owned()));
    let mut all: HashMap<_, _> = names.into_iter().chain(app.aws.credentials_as_environment()).collect();
    all.insert("AWS_REGION", app.stack.region.clone());
    all.extend(app.stack.endpoint_url.clone().map(|endpoint| ("AWS_ENDPOINT_URL", endpoint)));
    all
}

/// Runs `landslide`.
pub fn run_operator(environment: &HashMap<&'static str, String>, arguments: &[&str]) -> Output {
    landslide(environment, arguments).output().unwrap()
}

/// The program, to be started.
pub fn landslide(environment: &HashMap<&'static str, String>, arguments: &[&str]) -> Command {
    // Beside the folder of this test program, where `make up` has built it.
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("landslide");
    let mut command = Command::new(program);
    for name in NAMES.iter().map(|(name, _)| *name).chain(["AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"]) {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment);
    command
}

/// Audits at once, however young the votes are; the exit code and the document.
pub fn audit(app: &App, poll: &str, flags: &[&str]) -> (i32, Value) {
    audit_of_votes_older_than("0", app, poll, flags)
}

/// The same, but only votes younger than `seconds` may still be on their way.
pub fn audit_of_votes_older_than(seconds: &str, app: &App, poll: &str, flags: &[&str]) -> (i32, Value) {
    let arguments = [&["audit", poll, "--json", "--on-their-way-seconds", seconds], flags].concat();
    let output = run_operator(&operator_environment(app), &arguments);
    let document = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), document.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}
