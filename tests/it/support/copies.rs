//! Copies of polls in PostgreSQL, and the servers that hold them.

use std::process::Command;

use landslide_analytics::{address::Address, comparison::PollCopy, connection, writer::Writer};
use landslide_domain::ids::PollId;
use serde_json::{Value, json};

use super::{App, eventually};

/// The program that runs local clouds and servers.
const LOCAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/local/run");

/// The copies that a stack with analytics makes.
#[derive(Clone, Copy)]
pub struct Copies<'a> {
    /// The stack.
    pub app: &'a App,
}

impl Copies<'_> {
    /// Has the sync run once; whether it went well.
    pub async fn sync(self, event: Value) -> bool {
        self.app.aws.invoke(self.app.stack.output("Analytics"), &event).await.is_ok()
    }

    /// A poll's copy in the primary.
    pub async fn copy(self, poll: &str) -> Option<PollCopy> {
        let id = PollId::parse(poll).unwrap();
        let before = PollId::parse(&poll[..poll.len() - 1]).unwrap();
        let copies = Writer::new(self.primary().await).copies(Some(&before), 50).await.unwrap();
        copies.into_iter().find(|copy| copy.poll_id == id)
    }

    /// Changes the copies by hand, as the sync's role.
    pub async fn by_hand(self, statement: &str) {
        let client = connection::open(&self.primary().await).await.unwrap();
        client.batch_execute(statement).await.unwrap();
    }

    /// Waits until the copies of these polls say what their tallies do.
    pub async fn assert_copied(self, polls: &[String]) {
        for poll in polls {
            eventually("the poll's copy", async || {
                self.sync(json!({})).await;
                // Asked again each time: another process may show what it cached a second ago.
                let results = self.app.results(poll).await;
                let options = results["options"].as_array().unwrap();
                let votes: Vec<i64> = options.iter().map(|option| option["votes"].as_i64().unwrap()).collect();
                match self.copy(poll).await {
                    Some(copy) if copy.ballots == results["ballots"] && copy.votes == votes => Ok(()),
                    other => Err(format!("{other:?}, not {results}")),
                }
            })
            .await;
        }
    }

    /// The primary, as the sync reaches it.
    async fn primary(self) -> Address {
        let variables = self.app.aws.variables(self.app.stack.output("Analytics")).await;
        Address::parse(variables["ANALYTICS_WRITE_URL"].as_str().unwrap(), None).unwrap()
    }
}

/// Starts PostgreSQL's servers, or ends one as a crash does: `start`; `kill primary` or `kill replica`.
pub fn analytics_servers(arguments: &[&str]) {
    let done = Command::new(LOCAL).arg("postgres").args(arguments).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}
