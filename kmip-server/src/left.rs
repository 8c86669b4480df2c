//! What the items of a batch leave to those after them (KMIP 1.4, 4: ID Placeholder; 2.1, 11.60).

use kmip::{Bytes, DataPlaceholder, Operation, UniqueIdentifier, UniqueIdentifierKind};

/// Identifiers that later items of a batch may refer to.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// The ID placeholder: the identifier the last item brought.
    placeholder: Option<String>,
    /// By the operation that brought it; the latest counts.
    by_kind: Vec<(UniqueIdentifierKind, String)>,
    /// What the last Locate found, in its order.
    located: Vec<String>,
    /// Outputs of cryptographic operations, one each: the latest.
    outputs: Vec<(DataPlaceholder, Bytes<'static>)>,
}

impl Left {
    /// Sets the ID placeholder.
    pub fn place(&mut self, identifier: &str) {
        identifier.clone_into(self.placeholder.get_or_insert_default());
    }

    /// Empties the ID placeholder: the last item brought nothing, or more than one object.
    pub fn displace(&mut self) {
        self.placeholder = None;
    }

    /// Remembers what one kind of operation brought.
    pub fn bring(&mut self, kind: UniqueIdentifierKind, identifier: &str) {
        self.by_kind.push((kind, identifier.to_owned()));
    }

    /// Remembers what a Locate found.
    pub fn locate(&mut self, identifiers: &[String]) {
        identifiers.clone_into(&mut self.located);
    }

    /// Remembers what a cryptographic operation gave.
    pub fn give(&mut self, kind: DataPlaceholder, output: &[u8]) {
        self.outputs.retain(|(known, _)| *known != kind);
        self.outputs.push((kind, output.to_vec().into()));
    }

    /// What the last operation of a kind gave.
    #[must_use]
    pub fn output(&self, kind: DataPlaceholder) -> Option<&Bytes<'static>> {
        self.outputs.iter().find(|(known, _)| *known == kind).map(|(_, output)| output)
    }

    /// The identifier an item names, or refers to.
    #[must_use]
    pub fn resolve<'a>(&'a self, named: Option<&'a UniqueIdentifier<'_>>) -> Option<&'a str> {
        match named {
            None | Some(UniqueIdentifier::Enumeration(UniqueIdentifierKind::IdPlaceholder)) => {
                self.placeholder.as_deref()
            }
            Some(UniqueIdentifier::Text(text)) => Some(text),
            Some(UniqueIdentifier::Enumeration(kind)) => {
                let latest = self.by_kind.iter().rev().find(|(known, _)| known == kind);
                latest.map(|(_, identifier)| identifier.as_str())
            }
            Some(UniqueIdentifier::Integer(at)) => {
                let count = i64::try_from(self.located.len()).unwrap_or(i64::MAX);
                let at = i64::from(*at);
                let from_start = if at < 0 { at + count } else { at };
                self.located.get(usize::try_from(from_start).ok()?).map(String::as_str)
            }
        }
    }
}

/// How 2.x refers to what an operation brought; `None` of those that bring nothing.
#[must_use]
pub const fn kind_of(operation: Operation) -> Option<UniqueIdentifierKind> {
    use UniqueIdentifierKind as K;
    Some(match operation {
        Operation::Certify => K::Certify,
        Operation::Create => K::Create,
        Operation::CreateKeyPair => K::CreateKeyPair,
        Operation::CreateSplitKey => K::CreateSplitKey,
        Operation::DeriveKey => K::DeriveKey,
        Operation::Import => K::Import,
        Operation::JoinSplitKey => K::JoinSplitKey,
        Operation::Locate => K::Locate,
        Operation::Register => K::Register,
        Operation::ReKey => K::ReKey,
        Operation::ReCertify => K::ReCertify,
        Operation::ReKeyKeyPair => K::ReKeyKeyPair,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_reference_leads_to_what_was_left() {
        let mut left = Left::default();
        assert_eq!(left.resolve(None), None);
        left.place("a");
        left.bring(UniqueIdentifierKind::Create, "a");
        left.bring(UniqueIdentifierKind::Create, "b");
        left.locate(&["c".to_owned(), "d".to_owned(), "e".to_owned()]);
        let of = |identifier| left.resolve(Some(&identifier)).map(str::to_owned);
        assert_eq!(left.resolve(None), Some("a"));
        assert_eq!(
            of(UniqueIdentifier::Enumeration(UniqueIdentifierKind::IdPlaceholder)).as_deref(),
            Some("a")
        );
        assert_eq!(of(UniqueIdentifier::Enumeration(UniqueIdentifierKind::Create)).as_deref(), Some("b"));
        assert_eq!(of(UniqueIdentifier::Enumeration(UniqueIdentifierKind::Register)), None);
        for (at, expected) in
            [(0, Some("c")), (2, Some("e")), (-1, Some("e")), (-3, Some("c")), (3, None), (-4, None)]
        {
            assert_eq!(of(UniqueIdentifier::Integer(at)).as_deref(), expected, "{at}");
        }
        assert_eq!(of("x".into()).as_deref(), Some("x"));
        left.displace();
        assert_eq!(left.resolve(None), None);
    }

    #[test]
    fn the_latest_output_of_each_kind_is_left() {
        let mut left = Left::default();
        left.give(DataPlaceholder::Encrypt, b"one");
        left.give(DataPlaceholder::Hash, b"two");
        left.give(DataPlaceholder::Encrypt, b"three");
        let of = |kind| left.output(kind).map(|output| output.to_vec());
        assert_eq!(of(DataPlaceholder::Encrypt), Some(b"three".to_vec()));
        assert_eq!(of(DataPlaceholder::Hash), Some(b"two".to_vec()));
        assert_eq!(of(DataPlaceholder::Decrypt), None);
    }
}
