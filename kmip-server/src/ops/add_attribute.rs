//! Add Attribute: one more value of an attribute the object may have.

use kmip::ops::add_attribute::{Request, Response};
use kmip::{Attribute, IndexedAttribute, ResponsePayload, ResultReason};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::objects::{Edit, model_name};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let attribute = &request.attribute.attribute;
    let mut edit = Edit::of(&found)?;
    Edit::check_writable(&attribute.name(), Some(attribute))?;
    let index = add(&mut edit, attribute)?;
    context.turn.change_attributes(&found, edit.change()).await?;
    let attribute = IndexedAttribute { index: Some(index), attribute: attribute.clone() };
    let unique_identifier = found.uid().to_string().into();
    Ok(Reply::Payload(ResponsePayload::AddAttribute(Response {
        unique_identifier,
        attribute: Some(attribute),
    })))
}

/// Returns the index the value got among those of its name.
fn add(edit: &mut Edit, attribute: &Attribute) -> Result<i32, Failure> {
    let exists = Failure::new(ResultReason::AttributeSingleValued, "the object has this attribute already");
    if let Attribute::Name(name) = attribute {
        edit.names.push(model_name(name));
        return Ok(i32::try_from(edit.names.len() - 1).unwrap_or(i32::MAX));
    }
    let before = edit.dates;
    if edit.set_date(attribute)? {
        let had = match attribute {
            Attribute::ActivationDate(_) => before.activation_date,
            Attribute::ProcessStartDate(_) => before.process_start_date,
            Attribute::ProtectStopDate(_) => before.protect_stop_date,
            _ => before.deactivation_date,
        };
        return if had.is_some() { Err(exists) } else { Ok(0) };
    }
    let same = edit.attributes.iter().filter(|known| known.name() == attribute.name()).count();
    let many = attribute.kind().is_none_or(kmip::AttributeKind::is_multi_valued);
    if same > 0 && !many {
        return Err(exists);
    }
    edit.attributes.push(attribute.clone());
    Ok(i32::try_from(same).unwrap_or(i32::MAX))
}
