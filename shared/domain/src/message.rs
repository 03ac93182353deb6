//! Queue messages: one lane's changes in a compact layout of fixed-width records, as text.
//!
//! Layout, version 1, big-endian, in base64 (RFC 4648, no padding). It never reads as JSON, so no broker
//! re-serialises it.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | layout version, 1 |
//! | 1 + n | length of the poll's id, and the id |
//! | 1 | lane |
//! | 1 | width of a choice field: 0 for one byte of option id + 1 (0: none), else a bit set of that many bytes |
//! | 4 | number of records |
//! | each record: 16 + 4 + 6 | voter, revision, `cast_at` in ms |
//! | … and two choice fields | what stood before, what stands now |

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

use super::{
    ballot::{Ballot, Choices},
    change::{Change, VOTE_ID_BYTES, VoteId},
    ids::PollId,
    lane::{LANES_MAX, LaneKey},
    time::Timestamp,
};

/// The longest body that is sent, in bytes: three fit into an SQS batch (1 MiB), ten into a Lambda event (6 MB).
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// The layout that is written. Readers that know only an earlier one wait for their deployment.
const LAYOUT_VERSION: u8 = 1;
/// Bytes of `cast_at`: enough until the year 10889.
const CAST_AT_BYTES: usize = 6;
/// The most bytes before the records.
const HEADER_BYTES_MAX: usize = 1 + 1 + 40 + 1 + 1 + 4;
/// The widest bit set of choices, in bytes.
const CHOICE_BYTES_MAX: u8 = 16;

/// Changes of one lane, in no particular order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which lane counts them.
    pub lane: LaneKey,
    /// The changes to count.
    pub changes: Vec<Change>,
}

/// Why a body can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not one of our messages, and never will be.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// Its layout is of a later version. Wait for the deployment that knows it.
    #[error("message layout version {0} is not known yet")]
    UnknownVersion(u8),
}

/// How a message writes choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChoiceField {
    /// One byte: option id + 1, or 0.
    Index,
    /// A bit set with this many bytes.
    Bits(u8),
}

impl ChoiceField {
    /// The narrowest field that fits all these changes.
    pub(super) fn for_all<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let sets = changes.into_iter().flat_map(|change| [change.from, change.to]).flatten();
        let (mut all_single, mut highest) = (true, 0);
        for Ballot::Choices(choices) in sets {
            all_single &= choices.only().is_some();
            highest = highest.max(choices.highest());
        }
        if all_single { Self::Index } else { Self::Bits(highest / 8 + 1) }
    }

    fn width(self) -> usize {
        match self {
            Self::Index => 1,
            Self::Bits(bytes) => usize::from(bytes),
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Index => 0,
            Self::Bits(bytes) => bytes,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Index),
            1..=CHOICE_BYTES_MAX => Some(Self::Bits(code)),
            _ => None,
        }
    }

    fn record_bytes(self) -> usize {
        VOTE_ID_BYTES + CAST_AT_BYTES + 2 * self.width()
    }

    /// How many records fit into one message.
    pub(super) fn records_max(self) -> usize {
        (MESSAGE_BYTES_MAX / 4 * 3 - HEADER_BYTES_MAX) / self.record_bytes()
    }

    fn write(self, ballot: Option<Ballot>, out: &mut Vec<u8>) {
        let choices = ballot.map(|Ballot::Choices(choices)| choices);
        let bits = choices.map_or(0, Choices::bits);
        match self {
            Self::Index => out.push(choices.and_then(Choices::only).map_or(0, |id| id + 1)),
            Self::Bits(bytes) => {
                let all = bits.to_be_bytes();
                out.extend(all.iter().skip(all.len() - usize::from(bytes)));
            }
        }
    }

    fn read(self, input: &mut Reader<'_>) -> Result<Option<Ballot>, DecodeError> {
        let bits = match self {
            Self::Index => match input.number(1)? {
                0 => 0,
                id @ 1..=127 => 1u128 << (id - 1),
                _ => return Err(DecodeError::Malformed("an option past the last")),
            },
            Self::Bits(bytes) => input.number(usize::from(bytes))?,
        };
        match Ballot::of_bits(bits) {
            None if bits != 0 => Err(DecodeError::Malformed("an option past the last")),
            ballot => Ok(ballot),
        }
    }
}

impl Message {
    /// The message as text; at most `MESSAGE_BYTES_MAX` long if `fold` made it.
    pub fn encode(&self) -> String {
        let field = ChoiceField::for_all(&self.changes);
        let poll = self.lane.poll.as_str();
        let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX + self.changes.len() * field.record_bytes());
        bytes.push(LAYOUT_VERSION);
        bytes.push(poll.len() as u8);
        bytes.extend(poll.as_bytes());
        bytes.push(self.lane.lane);
        bytes.push(field.code());
        bytes.extend((self.changes.len() as u32).to_be_bytes());
        for change in &self.changes {
            bytes.extend(change.id.bytes());
            bytes.extend(change.cast_at.as_millis().to_be_bytes().iter().skip(8 - CAST_AT_BYTES));
            field.write(change.from, &mut bytes);
            field.write(change.to, &mut bytes);
        }
        BASE64_STANDARD_NO_PAD.encode(bytes)
    }

    /// Parses a message's text.
    pub fn decode(body: &str) -> Result<Self, DecodeError> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(body).map_err(|_| DecodeError::Malformed("not base64"))?;
        let mut input = Reader(&bytes);
        match input.number(1)? as u8 {
            LAYOUT_VERSION => {}
            0 => return Err(DecodeError::Malformed("layout version 0")),
            later => return Err(DecodeError::UnknownVersion(later)),
        }
        let id_length = input.number(1)? as usize;
        let poll = std::str::from_utf8(input.take(id_length)?)
            .ok()
            .and_then(PollId::parse)
            .ok_or(DecodeError::Malformed("no poll's id"))?;
        let lane = input.number(1)? as u8;
        if lane >= LANES_MAX {
            return Err(DecodeError::Malformed("a lane past the last"));
        }
        let field = ChoiceField::from_code(input.number(1)? as u8)
            .ok_or(DecodeError::Malformed("a choice field of no known width"))?;
        let count = input.number(4)? as usize;
        if input.0.len() != count.saturating_mul(field.record_bytes()) {
            return Err(DecodeError::Malformed("not as many records as it says"));
        }
        let changes = (0..count).map(|_| read_change(field, &mut input)).collect::<Result<_, _>>()?;
        Ok(Self { lane: LaneKey { poll, lane }, changes })
    }
}

fn read_change(field: ChoiceField, input: &mut Reader<'_>) -> Result<Change, DecodeError> {
    let id = input.array::<VOTE_ID_BYTES>()?;
    if id.iter().skip(16).all(|byte| *byte == 0) {
        return Err(DecodeError::Malformed("revision 0"));
    }
    let cast_at = Timestamp::from_millis(input.number(CAST_AT_BYTES)? as u64)
        .ok_or(DecodeError::Malformed("a time past the year 9999"))?;
    let from = field.read(input)?;
    let to = field.read(input)?;
    Ok(Change { id: VoteId::from_bytes(id), cast_at, from, to })
}

/// The bytes that are still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Malformed("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Malformed("cut short"))
    }

    /// A big-endian number of up to 16 bytes.
    fn number(&mut self, length: usize) -> Result<u128, DecodeError> {
        Ok(self.take(length)?.iter().fold(0, |number, byte| number * 256 + u128::from(*byte)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ids::VoterKey;
    use proptest::prelude::*;

    pub(crate) fn a_change() -> impl Strategy<Value = Change> {
        let choices = || proptest::option::of((1u128..1 << 100).prop_map(|bits| Ballot::of_bits(bits).unwrap()));
        (any::<[u8; 16]>(), 1u32.., 0u64..200_000_000_000_000, choices(), choices()).prop_map(
            |(voter, revision, millis, from, to)| Change {
                id: VoteId::new(&VoterKey::from_bytes(voter), revision),
                cast_at: Timestamp::from_millis(millis).unwrap(),
                from,
                to,
            },
        )
    }

    fn lane() -> LaneKey {
        LaneKey { poll: PollId::parse("p-1").unwrap(), lane: 3 }
    }

    pub(crate) fn first_vote(voter: u8, option: u8) -> Change {
        Change {
            id: VoteId::new(&VoterKey::from_bytes([voter; 16]), 1),
            cast_at: Timestamp::from_millis(1_790_000_000_000).unwrap(),
            from: None,
            to: Ballot::of_bits(1 << option),
        }
    }

    #[test]
    fn a_vote_for_one_option_takes_at_most_45_bytes() {
        let changes = vec![first_vote(7, 99); 1000];
        let body = Message { lane: lane(), changes }.encode();
        assert!(body.len() <= 45 * 1000, "{}", body.len());
    }

    #[test]
    fn a_vote_for_any_one_option_is_read_as_it_was_written() {
        let message = Message { lane: lane(), changes: (0..100).map(|option| first_vote(option, option)).collect() };
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn the_longest_header_is_of_the_longest_id() {
        let longest = LaneKey { poll: PollId::parse(&"p".repeat(40)).unwrap(), lane: 31 };
        let body = Message { lane: longest, changes: Vec::new() }.encode();
        assert_eq!(BASE64_STANDARD_NO_PAD.decode(body).unwrap().len(), HEADER_BYTES_MAX);
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        let good =
            BASE64_STANDARD_NO_PAD.decode(Message { lane: lane(), changes: vec![first_vote(1, 99)] }.encode()).unwrap();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            BASE64_STANDARD_NO_PAD.encode(bytes)
        };
        let malformed = ["", "{}", "!", "AA", &with(2, b'#'), &with(5, 32), &with(6, 17), &with(10, 2), &with(38, 101)];
        for body in malformed {
            assert!(matches!(Message::decode(body), Err(DecodeError::Malformed(_))), "{body}");
        }
        assert_eq!(Message::decode(&with(0, 2)), Err(DecodeError::UnknownVersion(2)));
    }

    proptest! {
        #[test]
        fn a_message_survives_its_text(changes in proptest::collection::vec(a_change(), 0..40)) {
            let message = Message { lane: lane(), changes };
            prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn no_text_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            drop(Message::decode(&text));
            drop(Message::decode(&BASE64_STANDARD_NO_PAD.encode(&bytes)));
            let mut versioned = bytes;
            versioned.insert(0, 1);
            drop(Message::decode(&BASE64_STANDARD_NO_PAD.encode(&versioned)));
        }
    }
}
