//! What `make up` says of the stack.

use std::{
    collections::HashMap,
    io::Write,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use serde::Deserialize;

use super::gate;

/// The file of a stack that `make up` left in this checkout.
const DEFAULT_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/local/.state/stack.json");

/// A deployed stack: infra/local/landslide_local/stackfile.py.
#[derive(Deserialize)]
pub struct Stack {
    /// What the cloud does not have, and why.
    lacks: HashMap<String, String>,
    /// How many calls at once the cloud answers in good time.
    calls_at_once: usize,
    /// Where the cloud answers; none for AWS itself.
    pub endpoint_url: Option<String>,
    /// The region.
    pub region: String,
    /// The stack's name, before the names of its functions.
    #[serde(rename = "stack")]
    pub name: String,
    /// Where the API answers, without a slash at the end.
    pub api_url: String,
    /// The private key that signs account tokens.
    pub issuer_key: PathBuf,
    /// The template's outputs.
    pub outputs: HashMap<String, String>,
}

/// Says that a test is skipped, and why, and how many tests have said so until now: past the test runner, which would
/// hide the output of a test that passes.
pub fn skip(reason: &str) {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let number = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let test = thread::current().name().unwrap_or_default().to_owned();
    let mut past_the_runner = std::io::stderr();
    writeln!(past_the_runner, "test {test} ... SKIPPED ({number} so far): {reason}").unwrap();
}

impl Stack {
    /// The stack of the file that `LANDSLIDE_STACK` names.
    pub fn read() -> Self {
        let file = std::env::var_os("LANDSLIDE_STACK").map_or_else(|| PathBuf::from(DEFAULT_FILE), PathBuf::from);
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}. No stack is up; first: make up", file.display()));
        let stack: Self = serde_json::from_str(&text).unwrap();
        gate::set(stack.calls_at_once);
        stack
    }

    /// Whether the cloud has what a part of a test needs.
    pub fn has(&self, capability: &str) -> bool {
        !self.lacks.contains_key(capability)
    }

    /// Whether a test is to end here, because the cloud lacks what it shows. Says so.
    pub fn lacks(&self, capability: &str) -> bool {
        let reason = self.lacks.get(capability);
        reason.inspect(|reason| skip(reason)).is_some()
    }

    /// An output by name.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the stack has no output {name}"))
    }

    /// The full name of a function, by the name of its folder.
    pub fn function(&self, folder: &str) -> String {
        format!("{}-{folder}", self.name)
    }
}
