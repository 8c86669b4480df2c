//! Which part of a message a request brings (KMIP 1.3 and later; 1.4, 4.29).

use engine::{Found, Refused, Stream, Work};
use kmip::{Bytes, Data, DataPlaceholder};

use crate::failure::Failure;
use crate::ops::Context;

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'r> {
    /// All of it.
    Whole,
    /// The first of several.
    First,
    /// One in between, of the message with this correlation value.
    Next(&'r [u8]),
    /// The last.
    Last(&'r [u8]),
}

impl<'r> Part<'r> {
    /// From the three fields every operation on messages has.
    pub fn of(
        correlation: Option<&'r Bytes<'_>>,
        init: Option<bool>,
        last: Option<bool>,
    ) -> Result<Self, Failure> {
        let (init, last) = (init == Some(true), last == Some(true));
        match correlation {
            Some(_) if init => Err(Failure::invalid_field(
                "a Correlation Value continues a message, Init Indicator begins one",
            )),
            Some(value) if last => Ok(Self::Last(value)),
            Some(value) => Ok(Self::Next(value)),
            None if init && !last => Ok(Self::First),
            None => Ok(Self::Whole),
        }
    }

    /// Whether the message begins with it.
    pub const fn is_first(self) -> bool {
        matches!(self, Self::Whole | Self::First)
    }

    /// Whether the message ends with it.
    pub const fn is_last(self) -> bool {
        matches!(self, Self::Whole | Self::Last(_))
    }
}

impl Context<'_, '_> {
    /// The bytes of a request's data: its own, or what an earlier item of the batch gave; none are none.
    pub fn data<'r>(&self, data: Option<&'r Data<'_>>) -> Result<Bytes<'r>, Failure> {
        match data {
            Some(Data::Bytes(bytes)) => Ok(bytes.by_ref()),
            Some(Data::Placeholder(kind)) => self.output(*kind),
            None => Ok(Bytes::from(&[][..])),
        }
    }

    /// What an earlier item of the batch gave.
    pub fn output(&self, kind: DataPlaceholder) -> Result<Bytes<'static>, Failure> {
        let missing = "no earlier item of this batch gave the data referred to";
        self.left.output(kind).cloned().ok_or(Failure::invalid_field(missing))
    }

    /// Goes on with a message: its stream and the work so far; nothing, where the part begins one.
    pub fn resume(
        &self,
        operation: u32,
        found: Option<&Found>,
        part: Part<'_>,
    ) -> Result<Option<(Stream, Work)>, Refused> {
        let (Part::Next(value) | Part::Last(value)) = part else { return Ok(None) };
        let mut stream = self.turn.take_stream(operation, found, value)?;
        let work = std::mem::replace(&mut stream.work, Work::Message(Vec::new()));
        Ok(Some((stream, work)))
    }

    /// Keeps a message for its next part, and says the Correlation Value by which that will come.
    pub fn pause(
        &self,
        operation: u32,
        found: Option<&Found>,
        stream: Option<Stream>,
        work: Work,
        kept: Vec<u8>,
    ) -> Result<Bytes<'static>, Refused> {
        let stream = match stream {
            Some(mut open) => {
                (open.work, open.kept) = (work, kept);
                open
            }
            None => self.turn.begin_stream(operation, found, work, kept)?,
        };
        Ok(self.turn.keep_stream(stream)?.into())
    }

    /// Leaves an output to later items of the batch, in the versions that can refer to it.
    pub fn leave(&mut self, kind: DataPlaceholder, output: Option<&Bytes<'_>>) {
        if let Some(output) = output.filter(|_| self.version.is_v2()) {
            self.left.give(kind, output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indicators_name_the_part() {
        let value = Bytes::from(&[1_u8, 2][..]);
        let value = Some(&value);
        let cases = [
            (None, None, None, Some(Part::Whole)),
            (None, Some(false), Some(true), Some(Part::Whole)),
            (None, Some(true), None, Some(Part::First)),
            (None, Some(true), Some(true), Some(Part::Whole)),
            (value, None, None, Some(Part::Next(&[1, 2]))),
            (value, Some(false), Some(true), Some(Part::Last(&[1, 2]))),
            (value, Some(true), None, None),
        ];
        for (correlation, init, last, expected) in cases {
            assert_eq!(Part::of(correlation, init, last).ok(), expected);
        }
    }
}
