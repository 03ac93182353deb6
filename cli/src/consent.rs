//! Asks before a command changes something in an AWS account.

use std::io::{IsTerminal, stdin};

use anyhow::{Result, bail, ensure};
use aws_types::SdkConfig;
use clap::Args;

use crate::signed::Api;

/// Whether to ask.
#[derive(Args)]
pub struct Consent {
    /// Change what is in an AWS account without asking.
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Shows account, region and what `change` is about to affect. Fails unless confirmed, by `--yes` or by typing the
    /// stack's name. Asks nothing if AWS_ENDPOINT_URL is set, as there is no account then.
    pub async fn ask(&self, aws: &SdkConfig, change: &str, resource: &str) -> Result<()> {
        if aws.endpoint_url().is_some() {
            return Ok(());
        }
        let api = Api::of(aws).await?;
        let name = stack_or_self(resource);
        eprintln!("account  {}\nregion   {}\nof       {resource}", api.account().await?, api.region());
        if self.yes {
            return Ok(());
        }
        if !stdin().is_terminal() {
            bail!("This {change}, and there is no terminal to confirm it at. To confirm it, add --yes.");
        }
        eprintln!("This {change}. To go on, type {name}:");
        let mut typed = String::new();
        stdin().read_line(&mut typed)?;
        ensure!(typed.trim() == name, "That is not {name}. Nothing was changed.");
        Ok(())
    }
}

/// The stack's name, if CloudFormation has named a table, queue or bucket (`STACK-LogicalId-RANDOM`). Otherwise the
/// last part of the name, which is all that a secret's ARN has.
fn stack_or_self(resource: &str) -> &str {
    let name = resource.rsplit(['/', ':']).next().unwrap_or(resource);
    let mut parts = name.rsplitn(3, '-');
    let (random, id, stack) = (parts.next(), parts.next(), parts.next());
    let is_generated = random.is_some_and(|random| random.trim_end_matches(".fifo").len() >= 12) && id.is_some();
    stack.filter(|stack| is_generated && !stack.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_is_known_by_a_generated_name() {
        for (resource, name) in [
            ("landslide-Votes-1MQO1UW3ELMZ0", "landslide"),
            ("my-show-2026-Polls-1MQO1UW3ELMZ0", "my-show-2026"),
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/landslide-TallyDlq-1MQO1UW3ELMZ0.fifo", "landslide"),
            ("landslide-relayfailuresbucket-1mqo1uw3elmz0", "landslide"),
            ("landslide-votes-restored", "landslide-votes-restored"),
            (
                "arn:aws:secretsmanager:eu-west-1:123456789012:secret:DeviceSecret-AbCdEfGhIjKl-a1b2c3",
                "DeviceSecret-AbCdEfGhIjKl-a1b2c3",
            ),
            ("votes", "votes"),
        ] {
            assert_eq!(stack_or_self(resource), name, "{resource}");
        }
    }
}
