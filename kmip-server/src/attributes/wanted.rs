//! What a request wants its new object to have, sorted into what the state judges and what it only keeps.

use std::borrow::Cow;

use kmip::{Attribute, AttributeKind, ObjectType, ResultReason, Template};
use model::commands::Description;
use model::object::{Name, Usage};

use super::rules::{Owner, owner_of};
use super::{model_name, seconds, stored, usage};
use crate::failure::Failure;
use crate::objects::masked;

/// What a template asks for beyond algorithm, length and mask.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    names: Vec<Name>,
    activation_date: Option<u64>,
    deactivation_date: Option<u64>,
    process_start_date: Option<u64>,
    protect_stop_date: Option<u64>,
    usage: Option<Usage>,
    /// Algorithm, length and mask: a registered object keeps them, a derived key's identifier says them.
    key: Vec<Attribute>,
    other: Vec<Attribute>,
}

impl Wanted {
    /// Sorts a template whose named templates were expanded (`Context::expand`).
    ///
    /// # Errors
    /// An attribute only the server sets, or a value no object can have.
    pub fn of(template: &Template) -> Result<Self, Failure> {
        if !template.names.is_empty() {
            return Err(Failure::new(ResultReason::ItemNotFound, "the template named does not exist"));
        }
        let mut wanted = Self::default();
        for attribute in template.attributes.iter() {
            wanted.add(attribute)?;
        }
        Ok(wanted)
    }

    fn add(&mut self, attribute: &Attribute) -> Result<(), Failure> {
        match attribute {
            Attribute::CryptographicAlgorithm(_) | Attribute::CryptographicLength(_) => {
                self.set_key_fact(attribute);
            }
            Attribute::CryptographicUsageMask(mask) => {
                masked(*mask)?;
                self.set_key_fact(attribute);
            }
            Attribute::Name(name) => self.names.push(model_name(name)),
            Attribute::ActivationDate(date) => self.activation_date = Some(seconds(*date)?),
            Attribute::DeactivationDate(date) => self.deactivation_date = Some(seconds(*date)?),
            Attribute::ProcessStartDate(date) => self.process_start_date = Some(seconds(*date)?),
            Attribute::ProtectStopDate(date) => self.protect_stop_date = Some(seconds(*date)?),
            Attribute::UsageLimits(limits) => self.usage = Some(usage(limits)?),
            // The one policy there is, by the name every client knows it under; every object begins fresh,
            // neither sensitive nor kept from being taken out.
            Attribute::OperationPolicyName(name) if name == "default" => {}
            Attribute::Fresh(true) | Attribute::Sensitive(false) | Attribute::Extractable(true) => {}
            Attribute::Sensitive(true) => {
                self.other.extend([attribute.clone(), Attribute::AlwaysSensitive(true)]);
            }
            Attribute::Extractable(false) => {
                self.other.extend([attribute.clone(), Attribute::NeverExtractable(true)]);
            }
            _ => self.keep(attribute)?,
        }
        Ok(())
    }

    fn keep(&mut self, attribute: &Attribute) -> Result<(), Failure> {
        match owner_of(&attribute.name()) {
            Some(Owner::Server) => {
                let message = format!("{} is set by the server only", attribute.name()).into();
                Err(Failure { message, ..Failure::new(ResultReason::AttributeReadOnly, "") })
            }
            Some(Owner::Creation | Owner::Once | Owner::Kept | Owner::Client) => {
                self.other.push(attribute.clone());
                Ok(())
            }
            None => Err(Failure::new(ResultReason::UnsupportedAttribute, "the attribute is unknown here")),
        }
    }

    /// A request overrides what a template said before it.
    fn set_key_fact(&mut self, attribute: &Attribute) {
        self.key.retain(|known| known.kind() != attribute.kind());
        self.key.push(attribute.clone());
    }

    /// Adds what the template left out.
    pub fn add_if_absent(&mut self, attribute: Attribute) {
        if !self.key.iter().chain(&self.other).any(|known| known.name() == attribute.name()) {
            self.key.push(attribute);
        }
    }

    /// Adds what the server knows of the object, whoever may set it.
    pub fn add_fact(&mut self, attribute: Attribute) {
        self.other.push(attribute);
    }

    /// Adds names after those given.
    pub fn add_names(&mut self, names: impl IntoIterator<Item = Name>) {
        self.names.extend(names);
    }

    /// Whether the template has an attribute of this kind among those the state does not judge.
    #[must_use]
    pub fn has(&self, kind: AttributeKind) -> bool {
        self.key.iter().chain(&self.other).any(|known| known.kind() == Some(kind))
    }

    /// What the template has beyond names, dates and a usage limit.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.key.iter().chain(&self.other)
    }

    /// Whether an identifier can say all of it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let dates =
            [self.activation_date, self.deactivation_date, self.process_start_date, self.protect_stop_date];
        self.names.is_empty()
            && self.other.is_empty()
            && self.usage.is_none()
            && dates.iter().all(Option::is_none)
    }

    /// For a record; `activate` is the date from a service policy, where the template has none.
    #[must_use]
    pub fn describe(self, activate: Option<u64>) -> Description {
        let kept = self.key.iter().chain(&self.other);
        Description {
            initial_date: None,
            last_change_date: None,
            activation_date: self.activation_date.or(activate),
            deactivation_date: self.deactivation_date,
            process_start_date: self.process_start_date,
            protect_stop_date: self.protect_stop_date,
            usage: self.usage,
            attributes: stored(kept),
            names: self.names,
        }
    }

    /// Application data the server has to make: the namespaces that came without any (1.4, 3.36).
    pub fn fill_application_data(&mut self, mut make: impl FnMut() -> String) -> Vec<Attribute> {
        let mut made = Vec::new();
        for attribute in &mut self.other {
            if let Attribute::ApplicationSpecificInformation(info) = attribute
                && info.data.is_none()
            {
                info.data = Some(make());
                made.push(attribute.clone());
            }
        }
        made
    }
}

/// A template without an Object Type that the request says already: some clients repeat it there. Another one stays,
/// and is refused as anything that only the server sets.
#[must_use]
pub fn untyped<'t>(template: &'t Template, types: &[ObjectType]) -> Cow<'t, Template> {
    let repeats =
        |attribute: &Attribute| matches!(attribute, Attribute::ObjectType(own) if types.contains(own));
    if !template.attributes.iter().any(repeats) {
        return Cow::Borrowed(template);
    }
    let kept = template.attributes.iter().filter(|attribute| !repeats(attribute));
    let attributes = kept.cloned().collect::<Vec<_>>().into();
    Cow::Owned(Template { names: template.names.clone(), attributes })
}

/// Puts the attributes of named templates before those of the request, which override single values.
#[must_use]
pub fn expanded(templates: Vec<Attribute>, request: &Template) -> Template {
    let said = |attribute: &Attribute| {
        !super::rules::is_multi_valued(attribute)
            && request.attributes.iter().any(|own| own.name() == attribute.name())
    };
    // A template's name is its own (1.4, 2.2.6).
    let inherited = templates
        .into_iter()
        .filter(|attribute| !matches!(attribute, Attribute::Name(_)) && !said(attribute));
    Template::from(inherited.chain(request.attributes.iter().cloned()).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kmip::{CryptographicAlgorithm, UsageMask};

    fn text(name: &str, value: &str) -> Attribute {
        let value = kmip::CustomValue::Text(value.to_owned());
        Attribute::Custom(kmip::CustomAttribute { vendor: "x".to_owned(), name: name.to_owned(), value })
    }

    #[test]
    fn a_request_overrides_a_template_where_only_one_value_fits() {
        let template = vec![
            Attribute::Name("template".into()),
            Attribute::ContactInformation("Joe".to_owned()),
            text("ID", "template"),
        ];
        let request =
            Template::from(vec![Attribute::ContactInformation("Jim".to_owned()), text("ID", "request")]);
        let all: Vec<Attribute> = expanded(template, &request).attributes.into_attributes();
        assert_eq!(
            all,
            [text("ID", "template"), Attribute::ContactInformation("Jim".to_owned()), text("ID", "request")]
        );
    }

    #[test]
    fn a_template_equal_to_the_defaults_is_plain() {
        let defaults = vec![
            Attribute::CryptographicAlgorithm(CryptographicAlgorithm::Aes),
            Attribute::CryptographicLength(256),
            Attribute::CryptographicUsageMask(UsageMask(12)),
            Attribute::OperationPolicyName("default".to_owned()),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::Fresh(true),
        ];
        assert!(Wanted::of(&defaults.clone().into()).unwrap().is_plain());
        let more = defaults.into_iter().chain([Attribute::Sensitive(true)]).collect::<Vec<_>>();
        assert!(!Wanted::of(&more.into()).unwrap().is_plain());
    }

    #[test]
    fn what_the_server_sets_is_not_taken_from_a_client() {
        let state = vec![Attribute::State(kmip::State::Active)];
        let failure = Wanted::of(&state.into()).unwrap_err();
        assert_eq!(failure.reason, ResultReason::AttributeReadOnly);
        assert_eq!(failure.message, "State is set by the server only");
    }

    #[test]
    fn an_object_type_that_repeats_the_requests_says_nothing_more() {
        let template = |kind| Template::from(vec![Attribute::ObjectType(kind), text("ID", "request")]);
        let check = |kind, types: &[ObjectType], left: usize| {
            assert_eq!(untyped(&template(kind), types).attributes.iter().count(), left, "{kind:?}");
        };
        check(ObjectType::SymmetricKey, &[ObjectType::SymmetricKey], 1);
        check(ObjectType::PublicKey, &[ObjectType::PrivateKey, ObjectType::PublicKey], 1);
        check(ObjectType::Certificate, &[ObjectType::SymmetricKey], 2);
    }
}
