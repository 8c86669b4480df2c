//! Which part of a message a request brings (KMIP 1.3 and later; 1.4, 4.29).

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
}

impl Context<'_, '_> {
    /// The bytes of a request's data: its own, or what an earlier item of the batch gave; none are none.
    pub fn data<'r>(&self, data: Option<&'r Data<'_>>) -> Result<Bytes<'r>, Failure> {
        match data {
            Some(Data::Bytes(bytes)) => Ok(bytes.by_ref()),
            Some(Data::Placeholder(kind)) => {
                let missing = "no earlier item of this batch gave the data referred to";
                self.left.output(*kind).cloned().ok_or(Failure::invalid_field(missing))
            }
            None => Ok(Bytes::from(&[][..])),
        }
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
