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
//!
//! Version 2 is for lanes whose ballots are more than choices. It has no byte for a width, and in place of each choice
//! field a ballot of any kind.

mod tagged;

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
/// The layout for choices.
const PLAIN_VERSION: u8 = 1;
/// The layout for all other ballots. Readers that know only an earlier one wait for their deployment.
const TAGGED_VERSION: u8 = 2;
/// Bytes of `cast_at`: enough until the year 10889.
const CAST_AT_BYTES: usize = 6;
/// Bytes of a record without its ballots.
const RECORD_BYTES: usize = VOTE_ID_BYTES + CAST_AT_BYTES;
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

/// How a message writes its ballots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// All of them in fields of one width.
    Plain(ChoiceField),
    /// Each as long as it is.
    Tagged,
}

impl Layout {
    fn for_all<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let (mut all_single, mut highest) = (true, 0);
        for ballot in changes.into_iter().flat_map(|change| [&change.from, &change.to]).flatten() {
            let Ballot::Choices(choices) = ballot else { return Self::Tagged };
            all_single &= choices.only().is_some();
            highest = highest.max(choices.highest());
        }
        Self::Plain(if all_single { ChoiceField::Index } else { ChoiceField::Bits(highest / 8 + 1) })
    }

    fn record_bytes(self, change: &Change) -> usize {
        let ballots = match self {
            Self::Plain(field) => 2 * field.width(),
            Self::Tagged => tagged::bytes(change.from.as_ref()) + tagged::bytes(change.to.as_ref()),
        };
        RECORD_BYTES + ballots
    }

    /// The fewest bytes that a ballot takes.
    fn ballot_bytes_min(self) -> usize {
        match self {
            Self::Plain(field) => field.width(),
            Self::Tagged => 1,
        }
    }

    fn write(self, ballot: Option<&Ballot>, out: &mut Vec<u8>) {
        match self {
            Self::Plain(field) => field.write(ballot, out),
            Self::Tagged => tagged::write(ballot, out),
        }
    }

    fn read(self, input: &mut Reader<'_>) -> Result<Option<Ballot>, DecodeError> {
        match self {
            Self::Plain(field) => field.read(input),
            Self::Tagged => tagged::read(input),
        }
    }
}

/// How a message writes choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChoiceField {
    /// One byte: option id + 1, or 0.
    Index,
    /// A bit set with this many bytes.
    Bits(u8),
}

impl ChoiceField {
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

    fn write(self, ballot: Option<&Ballot>, out: &mut Vec<u8>) {
        let choices = ballot.and_then(Ballot::choices);
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
        let layout = Layout::for_all(&self.changes);
        let poll = self.lane.poll.as_str();
        let records: usize = self.changes.iter().map(|change| layout.record_bytes(change)).sum();
        let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX + records);
        bytes.push(match layout {
            Layout::Plain(_) => PLAIN_VERSION,
            Layout::Tagged => TAGGED_VERSION,
        });
        bytes.push(poll.len() as u8);
        bytes.extend(poll.as_bytes());
        bytes.push(self.lane.lane);
        if let Layout::Plain(field) = layout {
            bytes.push(field.code());
        }
        bytes.extend((self.changes.len() as u32).to_be_bytes());
        for change in &self.changes {
            bytes.extend(change.id.bytes());
            bytes.extend(change.cast_at.as_millis().to_be_bytes().iter().skip(8 - CAST_AT_BYTES));
            layout.write(change.from.as_ref(), &mut bytes);
            layout.write(change.to.as_ref(), &mut bytes);
        }
        BASE64_STANDARD_NO_PAD.encode(bytes)
    }

    /// Parses a message's text.
    pub fn decode(body: &str) -> Result<Self, DecodeError> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(body).map_err(|_| DecodeError::Malformed("not base64"))?;
        let mut input = Reader(&bytes);
        let version = input.number(1)? as u8;
        if version == 0 {
            return Err(DecodeError::Malformed("layout version 0"));
        }
        if version > TAGGED_VERSION {
            return Err(DecodeError::UnknownVersion(version));
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
        let layout = if version == PLAIN_VERSION { read_width(&mut input)? } else { Layout::Tagged };
        let count = input.number(4)? as usize;
        let least = RECORD_BYTES + 2 * layout.ballot_bytes_min();
        if input.0.len() < count.saturating_mul(least) {
            return Err(DecodeError::Malformed("not as many records as it says"));
        }
        let changes = (0..count).map(|_| read_change(layout, &mut input)).collect::<Result<_, _>>()?;
        match input.0 {
            [] => Ok(Self { lane: LaneKey { poll, lane }, changes }),
            _ => Err(DecodeError::Malformed("not as many records as it says")),
        }
    }

    /// Splits changes of a lane, in their order, into as many as fit into one message each.
    pub(super) fn parts(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
        let layout = Layout::for_all(changes);
        let mut rest = changes;
        std::iter::from_fn(move || {
            let mut room = MESSAGE_BYTES_MAX / 4 * 3 - HEADER_BYTES_MAX;
            let fits = |change: &&Change| {
                let left = room.checked_sub(layout.record_bytes(change));
                room = left.unwrap_or_default();
                left.is_some()
            };
            let count = rest.iter().take_while(fits).count();
            let (part, others) = rest.split_at_checked(count)?;
            rest = others;
            (!part.is_empty()).then_some(part)
        })
    }
}

fn read_width(input: &mut Reader<'_>) -> Result<Layout, DecodeError> {
    let field = ChoiceField::from_code(input.number(1)? as u8);
    field.map(Layout::Plain).ok_or(DecodeError::Malformed("a choice field of no known width"))
}

fn read_change(layout: Layout, input: &mut Reader<'_>) -> Result<Change, DecodeError> {
    let id = input.array::<VOTE_ID_BYTES>()?;
    if id.iter().skip(16).all(|byte| *byte == 0) {
        return Err(DecodeError::Malformed("revision 0"));
    }
    let cast_at = Timestamp::from_millis(input.number(CAST_AT_BYTES)? as u64)
        .ok_or(DecodeError::Malformed("a time past the year 9999"))?;
    let from = layout.read(input)?;
    let to = layout.read(input)?;
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
    use crate::{ids::VoterKey, testing::a_full_ballot};
    use proptest::prelude::*;

    pub(crate) fn a_change() -> impl Strategy<Value = Change> {
        a_change_of(|| (1u128..1 << 100).prop_map(|bits| Ballot::of_bits(bits).unwrap()))
    }

    /// A ballot of any kind, plain ones too.
    fn a_ballot() -> impl Strategy<Value = Ballot> {
        let full = a_full_ballot().prop_map(|full| Ballot::Full(Box::new(full)));
        prop_oneof![3 => full, 1 => (1u128..1 << 100).prop_map(|bits| Ballot::of_bits(bits).unwrap())]
    }

    fn a_change_of<B: Strategy<Value = Ballot>>(ballot: impl Fn() -> B) -> impl Strategy<Value = Change> {
        let ballots = (proptest::option::of(ballot()), proptest::option::of(ballot()));
        (any::<[u8; 16]>(), 1u32.., 0u64..200_000_000_000_000, ballots).prop_map(
            |(voter, revision, millis, (from, to))| Change {
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
        assert_eq!(Message::decode(&with(0, 3)), Err(DecodeError::UnknownVersion(3)));
    }

    proptest! {
        #[test]
        fn a_message_survives_its_text(changes in proptest::collection::vec(a_change(), 0..40)) {
            let message = Message { lane: lane(), changes };
            prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn a_message_of_ballots_of_all_kinds_survives_its_text(changes in proptest::collection::vec(a_change_of(a_ballot), 0..40)) {
            let message = Message { lane: lane(), changes };
            prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn parts_fit_into_messages_and_hold_every_change_once(change in a_change_of(a_ballot), count in 0usize..20_000) {
            let changes = vec![change; count];
            let parts: Vec<_> = Message::parts(&changes).collect();
            prop_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), count);
            for part in parts {
                let body = Message { lane: lane(), changes: part.to_vec() }.encode();
                prop_assert!(body.len() <= MESSAGE_BYTES_MAX && !part.is_empty());
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 1u8..4, text in "\\PC{0,60}"
        ) {
            drop(Message::decode(&text));
            drop(Message::decode(&BASE64_STANDARD_NO_PAD.encode(&bytes)));
            let mut versioned = bytes;
            versioned.insert(0, version);
            drop(Message::decode(&BASE64_STANDARD_NO_PAD.encode(&versioned)));
        }
    }
}
