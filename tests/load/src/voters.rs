//! Voters, and how they vote: each connection has one request under way, and sends the next once it is answered.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_cli::api::{Api, Cast, choice};

/// Someone who votes once, or votes and then changes the vote.
#[derive(Clone, Debug)]
pub struct Voter {
    /// Who it is, as the token says.
    pub subject: String,
    /// An account token.
    pub token: String,
    /// The option that is voted for first.
    pub choice: usize,
    /// The option that the vote is changed to, where the poll has it so.
    pub change: Option<usize>,
}

/// A poll and the ways to it.
pub struct Load<'a> {
    /// The stack's API.
    pub api: &'a Api,
    /// The poll.
    pub poll_id: &'a str,
    /// How many vote at once.
    pub connections: usize,
    /// How long a connection rests before each voter.
    pub pause: Duration,
}

impl Load<'_> {
    /// Lets all vote. `voted` hears of each acknowledged vote, or of the failure, and may end it all by an error.
    pub async fn run(
        &self,
        voters: impl Iterator<Item = Voter>,
        voted: impl Fn(&Voter, Result<Cast>) -> Result<()>,
    ) -> Result<()> {
        let voted = &voted;
        let votes = voters.map(|voter| async move {
            tokio::time::sleep(self.pause).await;
            let first = self.api.cast_vote(self.poll_id, &voter.token, &choice(voter.choice)).await;
            let stored = first.as_ref().ok().map(|cast| cast.vote.clone());
            voted(&voter, first)?;
            if let (Some(other), Some(stored)) = (voter.change, stored) {
                voted(&voter, self.api.change_vote(self.poll_id, &voter.token, &choice(other), &stored).await)?;
            }
            Ok(())
        });
        stream::iter(votes).buffer_unordered(self.connections).try_collect().await
    }
}
