//! Modify Attribute: another value for an attribute the object has.

use kmip::ops::modify_attribute::{Request, Response};
use kmip::{Attribute, ResponsePayload, ResultReason};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::objects::{Edit, model_name};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let attribute = &request.attribute.attribute;
    Edit::check_writable(&attribute.name(), Some(attribute))?;
    let mut edit = Edit::of(&found)?;
    let current = request.current.as_ref();
    modify(&mut edit, attribute, current, request.attribute.index)?;
    context.turn.change_attributes(&found, edit.change()).await?;
    let unique_identifier = found.uid().to_string().into();
    let attribute = Some(request.attribute.clone());
    Ok(Reply::Payload(ResponsePayload::ModifyAttribute(Response { unique_identifier, attribute })))
}

fn modify(
    edit: &mut Edit,
    new: &Attribute,
    current: Option<&Attribute>,
    index: Option<i32>,
) -> Result<(), Failure> {
    let absent = || Failure::new(ResultReason::AttributeInstanceNotFound, "the object has no such attribute");
    let index = usize::try_from(index.unwrap_or(0)).map_err(|_| absent())?;
    if let Attribute::Name(name) = new {
        let slot = match current {
            Some(Attribute::Name(current)) => {
                let current = model_name(current);
                edit.names.iter_mut().find(|known| **known == current)
            }
            _ => edit.names.get_mut(index),
        };
        *slot.ok_or_else(absent)? = model_name(name);
        return Ok(());
    }
    if edit.set_date(new)? {
        return Ok(());
    }
    let same = edit.attributes.iter_mut().filter(|known| known.name() == new.name());
    let slot = match current {
        Some(current) => same.into_iter().find(|known| *known == current),
        None => same.into_iter().nth(index),
    };
    *slot.ok_or_else(absent)? = new.clone();
    Ok(())
}
