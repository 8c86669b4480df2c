//! Get: the key itself. A derived key is derived now, straight into the response.

use kmip::ops::get::Request;
use kmip::{KeyFormatType, ObjectType, ResultReason};
use model::uid::Kind;

use super::{Context, Error, Reply};
use crate::dispatch::{algorithm_of, read_stored};
use crate::failure::Failure;
use crate::objects::object_type;

pub async fn serve(context: &mut Context<'_, '_>, request: &Request<'_>) -> Result<Reply, Error> {
    if request.key_wrapping_specification.is_some() {
        return Err(Failure::not_supported("keys are not wrapped here; they travel under mutual TLS").into());
    }
    let found = context.find(request.unique_identifier.as_ref()).await?;
    context.turn.may_get(&found)?;
    let fields = found.fields();
    let uid = found.uid().encode();
    if fields.kind == Kind::Registered {
        let material = context.turn.material(&found).await?;
        check_format(request.key_format_type, stored_format(&material)?)?;
        return Ok(Reply::Stored { uid, object_type: object_type(&found)?, material });
    }
    if fields.algorithm == 0 {
        return Err(
            Failure::new(ResultReason::PermissionDenied, "a service root is for Derive Key only").into()
        );
    }
    check_format(request.key_format_type, Some(KeyFormatType::Raw))?;
    let unknown = Failure::new(ResultReason::GeneralFailure, "the key's algorithm is unknown here");
    let algorithm = algorithm_of(fields.algorithm).ok_or(unknown.clone())?;
    let bits = engine::length_bits(&fields).ok_or(unknown)?;
    let key = context.turn.derived_key(&found).await?;
    debug_assert_eq!(object_type(&found)?, ObjectType::SymmetricKey);
    Ok(Reply::Key { uid, algorithm, bits, key })
}

fn stored_format(material: &[u8]) -> Result<Option<KeyFormatType>, Failure> {
    Ok(read_stored(material)?.key_block().map(|block| block.key_format_type))
}

fn check_format(wanted: Option<KeyFormatType>, have: Option<KeyFormatType>) -> Result<(), Failure> {
    match wanted {
        Some(wanted) if have != Some(wanted) => {
            let message = "the object is not kept in this Key Format Type";
            Err(Failure::new(ResultReason::KeyFormatTypeNotSupported, message))
        }
        _ => Ok(()),
    }
}
