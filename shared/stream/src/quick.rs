//! Parses an event of the votes' stream in one pass. Returns `None` for anything unusual; the caller then uses
//! `serde_json`, which agrees but takes twice as long.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Choices, Image, Images, Map, Number, Record, SomeField, StreamEvent, Text, vote_of};

/// How deeply skipped values may nest.
const DEPTH_MAX: u32 = 8;
/// How many bytes are compared at once.
const WORD_BYTES: usize = 8;
const ONES: u64 = u64::MAX / 255;

/// The event. Returns `None` if any of it is unusual.
pub(super) fn read(event: &[u8]) -> Option<StreamEvent> {
    let (mut input, mut read) = (Input(event), None);
    input.object(|input, name| if name == b"Records" { set(&mut read, records(input)?) } else { None })?;
    if input.peek().is_none() { read } else { None }
}

fn records(input: &mut Input<'_>) -> Option<StreamEvent> {
    let mut event = StreamEvent::default();
    input.array(|input| {
        event.records += 1;
        event.votes.extend(vote_of(record(input)?).ok()?);
        Some(())
    })?;
    Some(event)
}

fn record<'a>(input: &mut Input<'a>) -> Option<Record<'a>> {
    let (mut event_name, mut dynamodb) = (None, None);
    input.object(|input, name| match name {
        b"eventName" => set(&mut event_name, input.text()?),
        b"dynamodb" => set(&mut dynamodb, images(input)?),
        _ => input.skip(DEPTH_MAX),
    })?;
    Some(Record { event_name: event_name?, dynamodb: dynamodb.unwrap_or_default() })
}

fn images<'a>(input: &mut Input<'a>) -> Option<Images<'a>> {
    let mut images = Images::default();
    input.object(|input, name| match name {
        b"NewImage" => set(&mut images.new_image, image(input)?),
        b"OldImage" => set(&mut images.old_image, image(input)?),
        _ => input.skip(DEPTH_MAX),
    })?;
    Some(images)
}

fn image<'a>(input: &mut Input<'a>) -> Option<Image<'a>> {
    let (mut poll_partition, mut voter, mut revision, mut cast_at, mut lane, mut choices, mut ballot) =
        (None, None, None, None, None, None, None);
    input.object(|input, name| match name {
        b"poll_partition" => set(&mut poll_partition, Text { text: input.only(b"S", Input::text)? }),
        b"voter" => set(&mut voter, Text { text: input.only(b"S", Input::text)? }),
        b"revision" => set(&mut revision, number(input)?),
        b"cast_at" => set(&mut cast_at, number(input)?),
        b"lane" => set(&mut lane, number(input)?),
        b"choices" => set(&mut choices, choices_of(input)?),
        b"ballot" => set(&mut ballot, Map { fields: input.only(b"M", fields)? }),
        _ => input.skip(DEPTH_MAX),
    })?;
    Some(Image {
        poll_partition: poll_partition?,
        voter: voter?,
        revision: revision?,
        cast_at: cast_at?,
        lane: lane?,
        choices,
        ballot,
    })
}

fn choices_of<'a>(input: &mut Input<'a>) -> Option<Choices<'a>> {
    input.only_one_of(|input, name| match name {
        b"L" => numbers(input).map(Choices::List),
        b"S" => input.text().map(Choices::Text),
        _ => None,
    })
}

fn fields<'a>(input: &mut Input<'a>) -> Option<BTreeMap<Cow<'a, str>, SomeField<'a>>> {
    let mut fields = BTreeMap::new();
    input.object(|input, name| {
        let name = str::from_utf8(name).ok()?;
        let before = fields.insert(Cow::Borrowed(name), input.only_one_of(field)?);
        before.is_none().then_some(())
    })?;
    Some(fields)
}

fn field<'a>(input: &mut Input<'a>, name: &[u8]) -> Option<SomeField<'a>> {
    match name {
        b"N" => input.text().map(SomeField::Number),
        b"S" => input.text().map(SomeField::Text),
        b"L" => numbers(input).map(SomeField::Numbers),
        _ => None,
    }
}

fn number<'a>(input: &mut Input<'a>) -> Option<Number<'a>> {
    Some(Number { digits: input.only(b"N", Input::text)? })
}

fn numbers<'a>(input: &mut Input<'a>) -> Option<Vec<Number<'a>>> {
    let mut numbers = Vec::new();
    input.array(|input| {
        numbers.push(number(input)?);
        Some(())
    })?;
    Some(numbers)
}

/// Sets a field. Returns `None` if it was already set.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(())
}

/// The JSON that is still to be parsed. Each method returns `None` for anything unusual.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
        self.0.first().copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        loop {
            match self.0 {
                [next, rest @ ..] if *next == byte => {
                    self.0 = rest;
                    return true;
                }
                [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] => self.0 = rest,
                _ => return false,
            }
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.takes(byte).then_some(())
    }

    /// Parses an object. `value` receives each name, and parses its value.
    fn object(&mut self, mut value: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            let name = self.string()?;
            self.take(b':')?;
            value(self, name)?;
            if !self.takes(b',') {
                return self.take(b'}');
            }
        }
    }

    /// Parses an object with only this name, and returns its value.
    fn only<T>(&mut self, wanted: &[u8], read: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        self.only_one_of(|input, name| if name == wanted { read(input) } else { None })
    }

    /// Parses an object with one name, and returns its value.
    fn only_one_of<T>(&mut self, read: impl Fn(&mut Self, &'a [u8]) -> Option<T>) -> Option<T> {
        self.take(b'{')?;
        let name = self.string()?;
        self.take(b':')?;
        let value = read(self, name)?;
        self.take(b'}')?;
        Some(value)
    }

    fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.takes(b']') {
            return Some(());
        }
        loop {
            element(self)?;
            if !self.takes(b',') {
                return self.take(b']');
            }
        }
    }

    fn skip(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'0'..=b'9' => self.skip_number(),
            b'{' if depth > 0 => self.object(|input, _| input.skip(depth - 1)),
            b'[' if depth > 0 => self.array(|input| input.skip(depth - 1)),
            _ => None,
        }
    }

    /// Skips a number without sign and exponent.
    fn skip_number(&mut self) -> Option<()> {
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with(b"0") {
            return None;
        }
        let Some(rest) = self.0.strip_prefix(b".") else { return Some(()) };
        self.0 = rest;
        self.digits().map(drop)
    }

    /// Parses at least one digit.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        (length > 0).then_some(digits)
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        str::from_utf8(self.string()?).ok().map(Cow::Borrowed)
    }

    /// Parses an ASCII string without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let (text, rest) = self.0.split_at_checked(plain_length(self.0))?;
        self.0 = rest.strip_prefix(b"\"")?;
        Some(text)
    }
}

/// The number of bytes before the first quote, backslash, control character or non-ASCII byte.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD_BYTES>();
    let mut length = 0;
    for word in words {
        let odd = odd_bytes(u64::from_le_bytes(*word));
        if odd != 0 {
            return length + odd.trailing_zeros() as usize / 8;
        }
        length += WORD_BYTES;
    }
    let is_plain = |byte: &u8| matches!(byte, 0x20..0x80) && !matches!(byte, b'"' | b'\\');
    length + rest.iter().take_while(|byte| is_plain(byte)).count()
}

/// Sets the high bit of each such byte in a word. A borrow may also set bits above the lowest of them.
fn odd_bytes(word: u64) -> u64 {
    // Among ASCII bytes, this sets the high bit only if a byte is below 0x20, and only if it is 0.
    let is_control = word.wrapping_sub(ONES * 0x20);
    let is = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    (word | is_control | is(b'"') | is(b'\\')) & ONES << 7
}
