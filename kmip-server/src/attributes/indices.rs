//! Attribute Index: the number by which a 1.x client names one of several instances. Once given, it "SHALL NOT be
//! changed even if other instances are deleted" (1.4, 2.1.1).
//!
//! Instances are kept in order, so an index is a position until one was deleted from before another. From then on the
//! object bears a note of the indices that are left, in an attribute of the server's own that no client sees or sets.
//! A note that does not count as many instances as there are, because they all moved to another object, is void.

use kmip::{Attribute, AttributeName, CustomAttribute, CustomValue};

/// The name of a note begins so; the attribute's own name follows.
const PREFIX: &str = "index of ";

/// The indices of `count` instances of a name, in their order; `attributes` are all the object has.
pub fn of<'a>(
    attributes: impl IntoIterator<Item = &'a Attribute>,
    name: &AttributeName,
    count: usize,
) -> Vec<i32> {
    let noted = attributes.into_iter().find_map(|attribute| noted(attribute, name));
    noted
        .filter(|indices| indices.len() == count)
        .unwrap_or_else(|| (0..i32::try_from(count).unwrap_or(i32::MAX)).collect())
}

/// The index of one more instance.
pub fn next(indices: &[i32]) -> i32 {
    indices.last().map_or(0, |last| last.saturating_add(1))
}

/// Notes the indices of a name; where they are positions there is nothing to note.
pub fn keep(attributes: &mut Vec<Attribute>, name: &AttributeName, indices: &[i32]) {
    let own = note(name, indices);
    attributes.retain(|known| known.name() != own.name());
    if (0..).zip(indices).any(|(position, index)| position != *index) {
        attributes.push(own);
    }
}

fn note(name: &AttributeName, indices: &[i32]) -> Attribute {
    let text: Vec<String> = indices.iter().map(i32::to_string).collect();
    Attribute::Custom(CustomAttribute {
        vendor: "y".to_owned(),
        name: format!("{PREFIX}{}", name.to_text()),
        value: CustomValue::Text(text.join(" ")),
    })
}

fn noted(attribute: &Attribute, name: &AttributeName) -> Option<Vec<i32>> {
    let Attribute::Custom(custom) = attribute else { return None };
    if custom.vendor != "y" || custom.name.strip_prefix(PREFIX) != Some(&*name.to_text()) {
        return None;
    }
    let CustomValue::Text(text) = &custom.value else { return None };
    text.split_whitespace().map(|index| index.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmip::AttributeKind;

    #[test]
    fn indices_are_positions_until_one_from_the_middle_is_gone() {
        let name = AttributeName::Standard(AttributeKind::ObjectGroup);
        let other = AttributeName::from_text("x-a");
        let mut attributes = Vec::new();
        assert_eq!(of(&attributes, &name, 3), [0, 1, 2]);
        keep(&mut attributes, &name, &[0, 1]);
        assert!(attributes.is_empty(), "positions need no note");
        keep(&mut attributes, &name, &[0, 2]);
        assert_eq!(of(&attributes, &name, 2), [0, 2]);
        assert_eq!(of(&attributes, &other, 2), [0, 1], "a note is of one name");
        assert_eq!(next(&of(&attributes, &name, 2)), 3);
        assert_eq!(of(&attributes, &name, 5), [0, 1, 2, 3, 4], "the instances are others by now");
        keep(&mut attributes, &name, &[2]);
        assert_eq!((of(&attributes, &name, 1), attributes.len()), (vec![2], 1));
        keep(&mut attributes, &name, &[]);
        assert!(attributes.is_empty());
        assert_eq!(next(&[]), 0);
    }
}
