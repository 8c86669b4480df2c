//! One vocabulary of attributes for all versions.
//!
//! In 1.x an attribute is a structure of name, index and value; in 2.x its tag is its name. Both
//! read into the same [`Attribute`], and a [`Writer`](crate::ttlv::Writer) puts it out in the style
//! of its version. Attributes are owned: the server keeps them.

mod custom;
mod filter;
mod list;
mod name;
mod structures;
mod table;

pub use self::custom::{CustomAttribute, CustomValue};
pub use self::filter::{Filters, PartialAttribute};
pub use self::list::{AttributeList, IndexedAttribute, Template};
pub use self::name::AttributeName;
pub use self::structures::*;
pub use self::table::{Attribute, AttributeKind};
