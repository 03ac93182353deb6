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

    /// Fails if an edit makes a plain poll one that is not taken yet. A poll that is more already may be edited.
    pub fn must_take_edit(self, before: &PollSpec, after: &PollSpec) -> Result<(), Error> {
        if before.has_plain_votes() { self.must_take(after) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{at, poll_asked_for};

    /// What makes a poll's votes more than choices, as a request says it. A new setting that does is one more line.
    fn more_than_choices() -> [Value; 7] {
        let dimension = json!({"name": "age", "values": ["young", "old"], "from": "vote"});
        [
            json!({"kind": "ranked"}),
            json!({"kind": "rating", "scale": {"min": 1, "max": 5}}),
            json!({"kind": "text", "options": null}),
            json!({"kind": "single", "write_in": true}),
            json!({"kind": "multiple", "correct": [0, 2]}),
            json!({"kind": "single", "segments": [dimension]}),
            json!({"kind": "single", "series": true}),
        ]
    }

    fn spec_of(settings: &Value) -> PollSpec {
        let mut body = json!({"question": "Q", "options": ["a", "b", "c"], "opens_at": at(100)});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        // A poll of texts has no options.
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
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

    #[test]
    fn no_edit_makes_more_of_a_plain_poll_and_all_others_may_be_edited() {
        let plain = spec_of(&json!({"kind": "single"}));
        for more in more_than_choices().iter().map(spec_of) {
            assert_eq!(BallotKinds::Plain.must_take_edit(&plain, &more), BallotKinds::Plain.must_take(&more));
            assert_eq!(BallotKinds::Plain.must_take_edit(&more, &more), Ok(()));
            assert_eq!(BallotKinds::All.must_take_edit(&plain, &more), Ok(()));
        }
        assert_eq!(BallotKinds::Plain.must_take_edit(&plain, &plain), Ok(()));
    }

    #[test]
    fn it_is_named_all_or_plain_and_nothing_else() {
        assert_eq!(["all", "plain"].map(str::parse), [Ok(BallotKinds::All), Ok(BallotKinds::Plain)]);
        for other in ["", "Plain", "ranked"] {
            assert_eq!(other.parse::<BallotKinds>(), Err(UnknownBallotKinds));
        }
    }
}
