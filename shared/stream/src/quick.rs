//! Reads an event of the votes' stream in one pass, if all of it has the usual form. Anything else it leaves to `serde_json`,
//! which reads the same of what is read here, in twice the time and more.

use std::borrow::Cow;

use super::{Image, Images, List, Number, Record, StreamEvent, Text, vote_of};

/// How deep values lie that are skipped.
const DEPTH_MAX: u32 = 8;
/// Bytes that are looked at in one go.
const WORD_BYTES: usize = 8;
const ONES: u64 = u64::MAX / 255;

/// The event; none if any of it is unusual.
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
    let (mut poll_partition, mut voter, mut revision, mut cast_at, mut lane, mut choices) =
        (None, None, None, None, None, None);
    input.object(|input, name| match name {
        b"poll_partition" => set(&mut poll_partition, Text { text: input.only(b"S", Input::text)? }),
        b"voter" => set(&mut voter, Text { text: input.only(b"S", Input::text)? }),
        b"revision" => set(&mut revision, number(input)?),
        b"cast_at" => set(&mut cast_at, number(input)?),
        b"lane" => set(&mut lane, number(input)?),
        b"choices" => set(&mut choices, List { numbers: input.only(b"L", numbers)? }),
        _ => input.skip(DEPTH_MAX),
    })?;
    Some(Image {
        poll_partition: poll_partition?,
        voter: voter?,
        revision: revision?,
        cast_at: cast_at?,
        lane: lane?,
        choices,
    })
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

/// Sets what a name stands for; none if it came before.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(())
}

/// What is left of an event's JSON. Each reader gives none for what it does not know.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The next byte that is no white space.
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

    /// An object; `value` is handed each name, and reads its value.
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

    /// The value of an object that has only that name.
    fn only<T>(&mut self, wanted: &[u8], read: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        self.take(b'{')?;
        if self.string()? != wanted {
            return None;
        }
        self.take(b':')?;
        let value = read(self)?;
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

    /// A number without sign and exponent.
    fn skip_number(&mut self) -> Option<()> {
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with(b"0") {
            return None;
        }
        let Some(rest) = self.0.strip_prefix(b".") else { return Some(()) };
        self.0 = rest;
        self.digits().map(drop)
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        (length > 0).then_some(digits)
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        str::from_utf8(self.string()?).ok().map(Cow::Borrowed)
    }

    /// A string of ASCII that stands as it is.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let (text, rest) = self.0.split_at_checked(plain_length(self.0))?;
        self.0 = rest.strip_prefix(b"\"")?;
        Some(text)
    }
}

/// How many bytes come before the first that is a quote, a backslash, a control character or no ASCII.
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

/// The high bit of each such byte in a word. Above the lowest of them other bits may be set as well, by a borrow.
fn odd_bytes(word: u64) -> u64 {
    // Of ASCII, only what is below 0x20, and only what is 0, gets its high bit set.
    let is_control = word.wrapping_sub(ONES * 0x20);
    let is = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    (word | is_control | is(b'"') | is(b'\\')) & ONES << 7
}
