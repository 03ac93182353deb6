//! The steps of a job, as messages of its queue.

use std::future::Future;

use landslide_aws::clock::Clock;
use landslide_aws::queue::{Outgoing, Queue, SendBatch, SendError};
use landslide_domain::{ids::PollId, lane::Split};
use serde::{Deserialize, Serialize};

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum What {
    /// All of it, or to split it.
    Begin,
    /// One part.
    Part {
        /// How the job was split.
        split: Split,
        /// Which part.
        part: u16,
    },
    /// What is left when all parts are done.
    Finish {
        /// How the job was split.
        split: Split,
    },
}

/// A step of a job over a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The poll.
    pub poll_id: PollId,
    /// What is to be done.
    pub what: What,
}

#[derive(Serialize, Deserialize)]
struct Body {
    poll_id: String,
    #[serde(flatten)]
    what: What,
}

impl Step {
    /// The first step.
    pub fn first(poll_id: PollId) -> Self {
        Self { poll_id, what: What::Begin }
    }

    /// The message's text.
    pub fn body(&self) -> String {
        let body = Body { poll_id: self.poll_id.to_string(), what: self.what };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Parses a message's text. `None` if it is none of ours.
    pub fn read(body: &str) -> Option<Self> {
        let Body { poll_id, what } = serde_json::from_str(body).ok()?;
        Some(Self { poll_id: PollId::parse(&poll_id)?, what })
    }
}

/// Where steps are sent: a queue, or the simulation's.
pub trait Steps {
    /// Sends all of them, or fails. Then it is unknown which were taken.
    fn send(&self, steps: &[Step]) -> impl Future<Output = Result<(), SendError>>;
}

impl<S: SendBatch, C: Clock> Steps for Queue<S, C> {
    async fn send(&self, steps: &[Step]) -> Result<(), SendError> {
        let messages = steps.iter().map(|step| Outgoing { body: step.body(), group: None, reason: None });
        self.send_all(&messages.collect::<Vec<_>>()).await
    }
}

#[cfg(test)]
mod tests {
    use landslide_domain::testing::at;

    use super::*;

    #[test]
    fn a_step_survives_its_message() {
        let split = Split { parts: 3, at: at(5) };
        for what in [What::Begin, What::Part { split, part: 2 }, What::Finish { split }] {
            let step = Step { poll_id: PollId::parse("p1").unwrap(), what };
            assert_eq!(Step::read(&step.body()), Some(step));
        }
        assert_eq!(Step::first(PollId::parse("p1").unwrap()).body(), r#"{"poll_id":"p1","do":"begin"}"#);
    }

    #[test]
    fn other_texts_are_no_steps() {
        for body in
            ["", "{}", r#"{"poll_id":"p1"}"#, r#"{"poll_id":"p 1","do":"begin"}"#, r#"{"poll_id":"p1","do":"x"}"#]
        {
            assert_eq!(Step::read(body), None, "{body}");
        }
    }
}
