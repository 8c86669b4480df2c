//! Delete Attribute: one value, or in 2.x all values, of an attribute fewer.

use kmip::ops::delete_attribute::{Request, Response};
use kmip::{
    Attribute, AttributeKind, AttributeName, IndexedAttribute, NameType, ResponsePayload, ResultReason,
};

use super::{Context, Error, Reply};
use crate::failure::Failure;
use crate::objects::{Edit, model_name};

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    context.turn.refresh().await?;
    let found = context.find(request.unique_identifier.as_ref()).await?;
    let current = request.current.as_ref();
    let name = match (current, &request.name) {
        (Some(current), _) => current.name(),
        (None, Some(name)) => name.clone(),
        (None, None) => return Err(Failure::invalid_field("no attribute is named").into()),
    };
    Edit::check_writable(&name, current)?;
    let mut edit = Edit::of(&found)?;
    let deleted = delete(&mut edit, &name, current, request.index)?;
    context.turn.change_attributes(&found, edit.change()).await?;
    let unique_identifier = found.uid().to_string().into();
    Ok(Reply::Payload(ResponsePayload::DeleteAttribute(Response { unique_identifier, attribute: deleted })))
}

fn delete(
    edit: &mut Edit,
    name: &AttributeName,
    current: Option<&Attribute>,
    index: Option<i32>,
) -> Result<Option<IndexedAttribute>, Failure> {
    let absent = || Failure::new(ResultReason::AttributeNotFound, "the object has no such attribute");
    let at = usize::try_from(index.unwrap_or(0)).map_err(|_| absent())?;
    if *name == AttributeName::Standard(AttributeKind::Name) {
        let at = match current {
            Some(Attribute::Name(current)) => {
                let current = model_name(current);
                edit.names.iter().position(|known| *known == current).ok_or_else(absent)?
            }
            _ => at,
        };
        if at >= edit.names.len() {
            return Err(absent());
        }
        let gone = edit.names.remove(at);
        let kind = NameType::from_value(gone.name_type).unwrap_or(NameType::UninterpretedTextString);
        let attribute = Attribute::Name(kmip::Name { value: gone.value, kind });
        return Ok(Some(IndexedAttribute { index, attribute }));
    }
    let matching: Vec<usize> = (0..edit.attributes.len())
        .filter(|position| {
            let known = &edit.attributes[*position];
            current.map_or_else(|| known.name() == *name, |current| known == current)
        })
        .collect();
    let position = *matching.get(if current.is_some() { 0 } else { at }).ok_or_else(absent)?;
    let attribute = edit.attributes.remove(position);
    Ok(Some(IndexedAttribute { index, attribute }))
}
