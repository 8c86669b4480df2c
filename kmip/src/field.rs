//! How values become items, and structures their fields.
//!
//! [`Decode`] and [`Encode`] turn one item into a value and back. [`Field`] adds how often it may
//! appear: `T` exactly once, `Option<T>` at most once, `Vec<T>` any number of times. `structure!`
//! writes both directions of a structure from one list of fields; the order of that list is the
//! order on the wire. Reading accepts any order, because old clients differ; a standard tag that
//! does not belong is refused, since a request must never be half understood.

use crate::Tag;
use crate::ttlv::{DecodeError, DecodeErrorKind, Item, Writer};

/// A value read from one item, whose tag the caller has already judged.
pub trait Decode<'a>: Sized {
    /// Reads the item.
    ///
    /// # Errors
    /// A [`DecodeError`] naming what the item should have been.
    fn decode(item: Item<'a>) -> Result<Self, DecodeError>;
}

/// A value written as one item.
pub trait Encode {
    /// Appends the item under this tag.
    fn encode(&self, w: &mut Writer<'_>, tag: Tag);
}

/// A value that is large beside its neighbours, so that moving them does not move its room too.
impl<'a, T: Decode<'a>> Decode<'a> for Box<T> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        T::decode(item).map(Self::new)
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        T::encode(self, w, tag);
    }
}

/// A field of a structure: a value and how often it may appear.
pub trait Field<'a>: Sized {
    /// What has been read so far.
    type Slot: Default;

    /// Takes one item of this field.
    ///
    /// # Errors
    /// The item's own error, or [`DecodeErrorKind::Repeated`].
    fn accept(slot: &mut Self::Slot, item: Item<'a>) -> Result<(), DecodeError>;

    /// Ends the structure.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Missing`] when a required field never came.
    fn finish(slot: Self::Slot, parent: Item<'a>, tag: Tag) -> Result<Self, DecodeError>;

    /// Appends the field, however often it appears.
    fn put(&self, w: &mut Writer<'_>, tag: Tag);
}

fn accept_once<'a, T: Decode<'a>>(slot: &mut Option<T>, item: Item<'a>) -> Result<(), DecodeError> {
    if slot.is_some() {
        return Err(item.error(DecodeErrorKind::Repeated(item.tag())));
    }
    *slot = Some(T::decode(item)?);
    Ok(())
}

impl<'a, T: Decode<'a> + Encode> Field<'a> for T {
    type Slot = Option<T>;

    fn accept(slot: &mut Option<T>, item: Item<'a>) -> Result<(), DecodeError> {
        accept_once(slot, item)
    }

    fn finish(slot: Option<T>, parent: Item<'a>, tag: Tag) -> Result<T, DecodeError> {
        slot.ok_or(parent.error(DecodeErrorKind::Missing(tag)))
    }

    fn put(&self, w: &mut Writer<'_>, tag: Tag) {
        self.encode(w, tag);
    }
}

impl<'a, T: Decode<'a> + Encode> Field<'a> for Option<T> {
    type Slot = Self;

    fn accept(slot: &mut Self, item: Item<'a>) -> Result<(), DecodeError> {
        accept_once(slot, item)
    }

    fn finish(slot: Self, _parent: Item<'a>, _tag: Tag) -> Result<Self, DecodeError> {
        Ok(slot)
    }

    fn put(&self, w: &mut Writer<'_>, tag: Tag) {
        if let Some(value) = self {
            value.encode(w, tag);
        }
    }
}

impl<'a, T: Decode<'a> + Encode> Field<'a> for Vec<T> {
    type Slot = Self;

    fn accept(slot: &mut Self, item: Item<'a>) -> Result<(), DecodeError> {
        slot.push(T::decode(item)?);
        Ok(())
    }

    fn finish(slot: Self, _parent: Item<'a>, _tag: Tag) -> Result<Self, DecodeError> {
        Ok(slot)
    }

    fn put(&self, w: &mut Writer<'_>, tag: Tag) {
        for value in self {
            value.encode(w, tag);
        }
    }
}

/// A structure kept unread: what it holds follows from something read elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawStructure<'a>(pub Item<'a>);

impl<'a> Decode<'a> for RawStructure<'a> {
    fn decode(item: Item<'a>) -> Result<Self, DecodeError> {
        item.structure()?;
        Ok(Self(item))
    }
}

impl Encode for RawStructure<'_> {
    fn encode(&self, w: &mut Writer<'_>, tag: Tag) {
        w.structure(tag, |w| w.encoded_items(self.0.raw()));
    }
}

/// What to do with an item no field claims: vendor tags are theirs to send and ours to ignore.
pub(crate) fn unclaimed(item: Item<'_>) -> Result<(), DecodeError> {
    if item.tag().0 >> 16 == 0x42 {
        return Err(item.error(DecodeErrorKind::Unexpected(item.tag())));
    }
    Ok(())
}

/// Declares a structure with both directions of its encoding. A field is
/// `name: Type = TAG [| TAG_IN_2_X] [since Version] [until Version]`; the versions hold for responses
/// only. A managed object lists all its tags, and knows its own.
macro_rules! structure {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident $(<$lt:lifetime>)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $ty:ty = $tag:ident $(| $tag_v2:ident)* $(since $since:ident)? $(until $until:ident)?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name $(<$lt>)? {
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        $crate::field::structure_codec! {
            $name $(<$lt>)? { $($field: $ty = $tag $(| $tag_v2)* $(since $since)? $(until $until)?),* }
        }

        #[cfg(test)]
        impl $(<$lt>)? $crate::sample::Sample for $name $(<$lt>)? {
            fn sample(s: &mut $crate::sample::Sampler) -> Self {
                let _ = &s; // a structure may have no fields
                Self { $($field: $crate::sample::Sample::sample(s),)* }
            }
        }
    };
}

/// The trait implementations behind `structure!`; also for structs that are declared by hand.
macro_rules! structure_codec {
    ($name:ident { $($body:tt)* }) => {
        $crate::field::structure_codec! { @decode 'a [$name] { $($body)* } }
        $crate::field::structure_codec! { @encode [impl] [$name] { $($body)* } }
    };
    ($name:ident <$lt:lifetime> { $($body:tt)* }) => {
        $crate::field::structure_codec! { @decode $lt [$name<$lt>] { $($body)* } }
        $crate::field::structure_codec! { @encode [impl<$lt>] [$name<$lt>] { $($body)* } }
    };
    (@decode $lt:lifetime [$self:ty] {
        $($field:ident: $ty:ty = $tag:ident $(| $tag_v2:ident)* $(since $since:ident)? $(until $until:ident)?),* $(,)?
    }) => {
        impl<$lt> $crate::field::Decode<$lt> for $self {
            fn decode(item: $crate::ttlv::Item<$lt>) -> Result<Self, $crate::ttlv::DecodeError> {
                $(let mut $field: <$ty as $crate::field::Field<$lt>>::Slot = Default::default();)*
                for child in item.structure()? {
                    match child.tag() {
                        $(
                            $crate::Tag::$tag $(| $crate::Tag::$tag_v2)* =>
                                <$ty as $crate::field::Field<$lt>>::accept(&mut $field, child)?,
                        )*
                        _ => $crate::field::unclaimed(child)?,
                    }
                }
                Ok(Self {
                    $($field: <$ty as $crate::field::Field<$lt>>::finish($field, item, $crate::Tag::$tag)?,)*
                })
            }
        }
    };
    (@encode [$($generics:tt)*] [$self:ty] {
        $($field:ident: $ty:ty = $tag:ident $(| $tag_v2:ident)* $(since $since:ident)? $(until $until:ident)?),* $(,)?
    }) => {
        $($generics)* $crate::field::Encode for $self {
            fn encode(&self, w: &mut $crate::ttlv::Writer<'_>, tag: $crate::Tag) {
                let mark = w.open(tag);
                $(
                    if true $(&& w.admits($crate::Version::$since))? $(&& w.admits_until($crate::Version::$until))? {
                        let tag = $crate::Tag::$tag;
                        $(let tag = if w.version().is_v2() { $crate::Tag::$tag_v2 } else { tag };)*
                        $crate::field::Field::put(&self.$field, w, tag);
                    }
                )*
                w.close(mark);
            }
        }
    };
}

pub(crate) use {structure, structure_codec};
