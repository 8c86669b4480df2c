//! What Locate compares: an object matches if it has every attribute given. An unknown filter matches
//! nothing, never everything.

use kmip::{
    Attribute, AttributeList, AttributeName, DateTime, Filters, UsageMask, X509CertificateIdentifier,
};

/// "If a Date attribute is set to its largest possible value, then it is equivalent to an undefined attribute"
/// (1.4, 4.9).
const NO_DATE: DateTime = DateTime(i64::MAX);

/// Whether an object that has `has` bears all of `wanted`.
pub fn matches(has: &AttributeList, wanted: &Filters) -> bool {
    let whole = &wanted.whole;
    wanted.partial.iter().all(|part| has.iter().any(|known| part.is_in(known)))
        && whole.iter().all(|filter| bears_all_of(has, whole, filter))
}

fn bears_all_of(has: &AttributeList, wanted: &AttributeList, filter: &Attribute) -> bool {
    match filter {
        date if date_of(date).is_some() => date_matches(has, wanted, &date.name()),
        Attribute::CryptographicUsageMask(mask) => has.iter().any(|known| bears(known, *mask)),
        Attribute::X509CertificateIdentifier(wanted) => has.iter().any(|known| {
            matches!(known, Attribute::X509CertificateIdentifier(known) if is_certificate(known, wanted))
        }),
        filter if may_say_less(filter) => has.iter().any(|known| known.has_fields_of(filter)),
        // An object does not say where it may be kept other than where it is.
        filter => has.iter().any(|known| known == filter),
    }
}

/// Structures that are whole with some of their fields: what is not said of them is not asked (1.4, 4.9).
const fn may_say_less(filter: &Attribute) -> bool {
    matches!(
        filter,
        Attribute::CryptographicParameters(_)
            | Attribute::CryptographicDomainParameters(_)
            | Attribute::CertificateIdentifier(_)
            | Attribute::CertificateSubject(_)
            | Attribute::CertificateIssuer(_)
            | Attribute::X509CertificateSubject(_)
            | Attribute::X509CertificateIssuer(_)
            | Attribute::UsageLimits(_)
            | Attribute::RevocationReason(_)
            | Attribute::ApplicationSpecificInformation(_)
            | Attribute::RandomNumberGenerator(_)
            | Attribute::RotateName(_)
    )
}

/// Clients and published cases name a serial number as a DER INTEGER or by its content alone, with the byte that
/// keeps it positive or without.
fn is_certificate(known: &X509CertificateIdentifier, wanted: &X509CertificateIdentifier) -> bool {
    let content = |serial: &[u8]| {
        let bare = match serial {
            [2, length, content @ ..] if usize::from(*length) == content.len() => content,
            bare => bare,
        };
        bare.strip_prefix(&[0]).unwrap_or(bare).to_vec()
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
    let dates = of_name(has);
    if bounds == [NO_DATE] && dates.is_empty() {
        return true;
    }
    dates.into_iter().any(|date| match bounds[..] {
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

    fn filters(attributes: Vec<Attribute>) -> Filters {
        attributes.into()
    }

    #[test]
    fn one_date_is_exact_two_are_a_range_three_are_nothing() {
        let has = list(vec![Attribute::InitialDate(DateTime(100))]);
        let dates = |bounds: &[i64]| {
            filters(bounds.iter().map(|date| Attribute::InitialDate(DateTime(*date))).collect())
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
            let wanted = filters(vec![Attribute::CryptographicUsageMask(UsageMask(mask))]);
            assert_eq!(matches(&has, &wanted), expected, "{mask:#x}");
        }
    }

    #[test]
    fn an_attribute_nobody_has_finds_nothing() {
        let wanted = filters(vec![Attribute::Comment("a".to_owned())]);
        assert!(!matches(&list(vec![Attribute::Fresh(true)]), &wanted));
        assert!(matches(&list(vec![]), &filters(vec![])));
    }

    #[test]
    fn the_largest_date_stands_for_none() {
        let ends = |dates: &[i64]| -> Vec<Attribute> {
            dates.iter().map(|date| Attribute::DeactivationDate(DateTime(*date))).collect()
        };
        let check = |has: &[i64], bounds: &[i64], expected| {
            let (has, wanted) = (list(ends(has)), filters(ends(bounds)));
            assert_eq!(matches(&has, &wanted), expected, "{has:?} {wanted:?}");
        };
        check(&[], &[i64::MAX], true);
        check(&[], &[100, i64::MAX], false);
        check(&[], &[100, 200], false);
        check(&[100], &[i64::MAX], false);
        check(&[100], &[50, i64::MAX], true);
    }

    #[test]
    fn what_a_structure_leaves_out_is_not_asked() {
        use kmip::{ByteString, X509CertificateSubject};
        let subject = |alternative_names: Vec<ByteString>| {
            let distinguished_name = vec![0x30, 0].into();
            Attribute::X509CertificateSubject(X509CertificateSubject {
                distinguished_name,
                alternative_names,
            })
        };
        let named = || subject(vec![vec![1].into(), vec![2].into()]);
        let check = |has, wanted, expected| {
            assert_eq!(matches(&list(vec![has]), &filters(vec![wanted])), expected);
        };
        check(named(), subject(vec![]), true);
        check(named(), subject(vec![vec![2].into()]), true);
        check(named(), subject(vec![vec![3].into()]), false);
        check(subject(vec![]), named(), false);
    }

    #[test]
    fn a_serial_number_is_found_as_a_der_integer_and_as_a_number() {
        let identifier = |serial: &[u8]| {
            Attribute::X509CertificateIdentifier(X509CertificateIdentifier {
                issuer_distinguished_name: vec![0x30, 0].into(),
                serial_number: serial.to_vec().into(),
            })
        };
        let has = list(vec![identifier(&[2, 4, 0, 0xab, 0xcd, 0xef])]);
        for (serial, expected) in [
            (&[2, 4, 0, 0xab, 0xcd, 0xef][..], true),
            (&[0, 0xab, 0xcd, 0xef], true),
            (&[0xab, 0xcd, 0xef], true),
            (&[0xab, 0xcd], false),
        ] {
            assert_eq!(matches(&has, &filters(vec![identifier(serial)])), expected, "{serial:x?}");
        }
    }
}
