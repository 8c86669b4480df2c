//! What Locate compares: an object matches if it has every attribute given. An unknown filter matches
//! nothing, never everything.

use kmip::{Attribute, AttributeList, AttributeName, DateTime, UsageMask, X509CertificateIdentifier};

/// Whether an object that has `has` bears all of `wanted`.
pub fn matches(has: &AttributeList, wanted: &AttributeList) -> bool {
    wanted.iter().all(|filter| match filter {
        date if date_of(date).is_some() => date_matches(has, wanted, &date.name()),
        Attribute::CryptographicUsageMask(mask) => has.iter().any(|known| bears(known, *mask)),
        // Without data, any of the namespace (1.4, 3.36: the server fills it in, the client asks for it).
        Attribute::ApplicationSpecificInformation(info) if info.data.is_none() => has.iter().any(
            |known| matches!(known, Attribute::ApplicationSpecificInformation(known) if known.namespace == info.namespace),
        ),
        Attribute::X509CertificateIdentifier(wanted) => has.iter().any(|known| {
            matches!(known, Attribute::X509CertificateIdentifier(known) if is_certificate(known, wanted))
        }),
        // An object does not say where it may be kept other than where it is.
        filter => has.iter().any(|known| known == filter),
    })
}

/// Clients and published cases name a serial number as a DER INTEGER or by its content alone.
fn is_certificate(known: &X509CertificateIdentifier, wanted: &X509CertificateIdentifier) -> bool {
    let content = |serial: &[u8]| match serial {
        [2, length, content @ ..] if usize::from(*length) == content.len() => content.to_vec(),
        bare => bare.to_vec(),
    };
    known.issuer_distinguished_name == wanted.issuer_distinguished_name
        && content(&known.serial_number.0) == content(&wanted.serial_number.0)
}

/// A mask is found by any object that may do at least that (1.4, 4.9).
fn bears(known: &Attribute, wanted: UsageMask) -> bool {
    matches!(known, Attribute::CryptographicUsageMask(mask) if mask.0 & wanted.0 == wanted.0)
}

/// One date is an exact match, two are the ends of a range (1.4, 4.9).
fn date_matches(has: &AttributeList, wanted: &AttributeList, name: &AttributeName) -> bool {
    let of_name = |list: &AttributeList| -> Vec<DateTime> {
        list.iter().filter(|attribute| attribute.name() == *name).filter_map(date_of).collect()
    };
    let bounds = of_name(wanted);
    of_name(has).into_iter().any(|date| match bounds[..] {
        [exact] => date == exact,
        [one, other] => (one.min(other)..=one.max(other)).contains(&date),
        _ => false,
    })
}

/// The value of a date attribute.
const fn date_of(attribute: &Attribute) -> Option<DateTime> {
    match attribute {
        Attribute::InitialDate(date)
        | Attribute::ActivationDate(date)
        | Attribute::ProcessStartDate(date)
        | Attribute::ProtectStopDate(date)
        | Attribute::DeactivationDate(date)
        | Attribute::DestroyDate(date)
        | Attribute::CompromiseOccurrenceDate(date)
        | Attribute::CompromiseDate(date)
        | Attribute::ArchiveDate(date)
        | Attribute::OriginalCreationDate(date)
        | Attribute::RotateDate(date)
        | Attribute::LastChangeDate(date) => Some(*date),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(attributes: Vec<Attribute>) -> AttributeList {
        attributes.into()
    }

    #[test]
    fn one_date_is_exact_two_are_a_range_three_are_nothing() {
        let has = list(vec![Attribute::InitialDate(DateTime(100))]);
        let dates = |bounds: &[i64]| {
            list(bounds.iter().map(|date| Attribute::InitialDate(DateTime(*date))).collect())
        };
        for (bounds, expected) in [
            (&[100][..], true),
            (&[99], false),
            (&[90, 110], true),
            (&[110, 90], true),
            (&[101, 110], false),
            (&[90, 100, 110], false),
        ] {
            assert_eq!(matches(&has, &dates(bounds)), expected, "{bounds:?}");
        }
    }

    #[test]
    fn a_mask_asks_for_at_least_its_bits() {
        let has = list(vec![Attribute::CryptographicUsageMask(UsageMask(0x0c))]);
        for (mask, expected) in [(0x04, true), (0x0c, true), (0x1c, false)] {
            let wanted = list(vec![Attribute::CryptographicUsageMask(UsageMask(mask))]);
            assert_eq!(matches(&has, &wanted), expected, "{mask:#x}");
        }
    }

    #[test]
    fn an_attribute_nobody_has_finds_nothing() {
        let wanted = list(vec![Attribute::Comment("a".to_owned())]);
        assert!(!matches(&list(vec![Attribute::Fresh(true)]), &wanted));
        assert!(matches(&list(vec![]), &list(vec![])));
    }
}
