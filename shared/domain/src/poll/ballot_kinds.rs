//! Which polls a deployment takes. While it is upgraded, those alone whose votes the code of before can read.

use std::str::FromStr;

use super::PollSpec;
use crate::{error::Error, field_error::FieldError};

/// The polls that a deployment takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BallotKinds {
    /// Polls of every kind.
    All,
    /// Polls whose votes are choices and nothing else.
    Plain,
}

/// It is neither `all` nor `plain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be all or plain")]
pub struct UnknownBallotKinds;

impl FromStr for BallotKinds {
    type Err = UnknownBallotKinds;

    fn from_str(text: &str) -> Result<Self, UnknownBallotKinds> {
        match text {
            "all" => Ok(Self::All),
            "plain" => Ok(Self::Plain),
            _ => Err(UnknownBallotKinds),
        }
    }
}

impl BallotKinds {
    /// Fails if a new poll with these settings is not taken yet.
    pub fn must_take(self, spec: &PollSpec) -> Result<(), Error> {
        match self {
            Self::Plain if !spec.has_plain_votes() => Err(Error::KindNotTaken(FieldError::new(
                "/kind",
                "asks for ballots that this deployment does not take until its upgrade is done; make a plain poll of kind \
                 single or multiple, or try again later",
            ))),
            Self::Plain | Self::All => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        poll::{Poll, edit::EditPoll},
        testing::{at, poll_asked_for},
    };

    /// What makes a poll's votes more than choices, as a request says it. A new setting that does is one more line.
    fn more_than_choices() -> [Value; 1] {
        [json!({"kind": "ranked"})]
    }

    fn spec_of(settings: &Value) -> PollSpec {
        let mut body = json!({"question": "Q", "options": ["a", "b", "c"], "opens_at": at(100)});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        poll_asked_for(body, at(0)).unwrap().rules.settings.spec
    }

    #[test]
    fn a_deployment_that_takes_plain_polls_refuses_all_others_and_says_what_to_do() {
        for settings in more_than_choices() {
            let refused = BallotKinds::Plain.must_take(&spec_of(&settings));
            let Err(Error::KindNotTaken(error)) = refused else { panic!("{settings} is taken: {refused:?}") };
            assert_eq!(error.pointer, "/kind");
            assert!(error.detail.contains("single or multiple, or try again later"), "{}", error.detail);
            assert_eq!(BallotKinds::All.must_take(&spec_of(&settings)), Ok(()));
        }
    }

    #[test]
    fn polls_of_single_and_multiple_choices_are_taken_by_all_deployments() {
        for (kinds, kind) in
            [(BallotKinds::Plain, "single"), (BallotKinds::Plain, "multiple"), (BallotKinds::All, "single")]
        {
            assert_eq!(kinds.must_take(&spec_of(&json!({"kind": kind}))), Ok(()), "{kind}");
        }
    }

    /// `update-poll` therefore need not know which polls its deployment takes.
    #[test]
    fn no_edit_makes_a_plain_polls_votes_more_than_choices() {
        for settings in more_than_choices() {
            for kind in ["single", "multiple"] {
                let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": kind, "opens_at": at(100)});
                let plain = poll_asked_for(body, at(0)).unwrap();
                let edit: EditPoll = serde_json::from_value(settings.clone()).unwrap();
                let edited = edit.apply(&plain, at(1), false);
                let is_plain = |edited: Poll| edited.rules.settings.spec.has_plain_votes();
                assert!(edited.is_err() || edited.is_ok_and(is_plain), "{kind} became {settings}");
            }
        }
    }

    #[test]
    fn it_is_named_all_or_plain_and_nothing_else() {
        assert_eq!(["all", "plain"].map(str::parse), [Ok(BallotKinds::All), Ok(BallotKinds::Plain)]);
        for other in ["", "Plain", "ranked"] {
            assert_eq!(other.parse::<BallotKinds>(), Err(UnknownBallotKinds));
        }
    }
}
