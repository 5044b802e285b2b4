//! What the service asks of records before it looks for their shards.

use afflux_aws::kinesis::{Code, Error};
use afflux_types::HashKey;

use super::batch::Item;

/// Bytes of data and keys in one request.
const REQUEST_BYTES_MAX: usize = 10 << 20;

/// An explicit hash key.
pub(super) fn hash_key(text: Option<&str>) -> Result<Option<HashKey>, Error> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(key) => Ok(Some(HashKey::new(key))),
        Err(_) => Err(Error::new(
            Code::InvalidArgument,
            format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. \
                 Specified value was {text}"
            ),
        )),
    }
}

/// Checks what depends on the stream: keys that are missing though the service does not distribute the
/// records, and sizes. `path` leads to the members of a record in messages.
pub(super) fn check(
    items: &[Item<'_>],
    auto: bool,
    record_bytes_max: usize,
    path: impl Fn(usize) -> String,
) -> Result<(), Error> {
    let mut violations = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if item.key.is_none() && !auto {
            let path = path(index);
            violations.push(format!(
                "Value null at '{path}partitionKey' failed to satisfy constraint: Member must not be \
                 null"
            ));
        }
        if item.len() > record_bytes_max {
            let (path, len) = (path(index), item.data.len());
            violations.push(format!(
                "Value 'java.nio.HeapByteBuffer[pos=0 lim={len} cap={len}]' at '{path}data' failed to \
                 satisfy constraint: Member must have length less than or equal to {record_bytes_max}"
            ));
        }
    }
    if !violations.is_empty() {
        let count = violations.len();
        let errors = if count == 1 { "error" } else { "errors" };
        let violations = violations.join("; ");
        return Err(Error::new(
            Code::Validation,
            format!("{count} validation {errors} detected: {violations}"),
        ));
    }
    if items.iter().map(Item::len).sum::<usize>() > REQUEST_BYTES_MAX {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("Records size exceeds {} MB limit", REQUEST_BYTES_MAX >> 20),
        ));
    }
    Ok(())
}
