//! How the body of a record says that a key has a value, or none any more.

use bytes::{Buf, BufMut, Bytes, TryGetError};

/// Lengths of key and value.
pub const OVERHEAD_BYTES: usize = 2 + 4;
/// Instead of a value's length: there is none any more.
const DELETED: u32 = u32::MAX;

/// Appends a change to `body`. A key has at most 64 KiB, a value less than 4 GiB.
pub fn put(body: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    body.put_u16(u16::try_from(key.len()).expect("keys are shorter"));
    body.put_u32(value.map_or(DELETED, |value| {
        u32::try_from(value.len()).expect("a value is smaller than the file it goes to")
    }));
    body.put_slice(key);
    body.put_slice(value.unwrap_or_default());
}

/// Takes the next change from the front of `body`.
pub fn take(body: &mut Bytes) -> Result<(Bytes, Option<Bytes>), TryGetError> {
    let (key, value) = (body.try_get_u16()?, body.try_get_u32()?);
    let key = split(body, usize::from(key))?;
    let value = match value {
        DELETED => None,
        length => Some(split(body, usize::try_from(length).unwrap_or(usize::MAX))?),
    };
    Ok((key, value))
}

fn split(body: &mut Bytes, requested: usize) -> Result<Bytes, TryGetError> {
    let available = body.remaining();
    if requested > available {
        Err(TryGetError { requested, available })
    } else {
        Ok(body.split_to(requested))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_in_order_and_a_cut_one_is_an_error() {
        let mut body = Vec::new();
        put(&mut body, b"a", Some(b"value"));
        put(&mut body, b"", None);
        let mut whole = Bytes::from(body);
        let mut cut = whole.slice(..whole.len() - 1);
        assert_eq!(take(&mut whole).unwrap(), ("a".into(), Some("value".into())));
        assert_eq!(take(&mut whole).unwrap(), ("".into(), None));
        assert!(whole.is_empty());
        take(&mut cut).unwrap();
        assert!(take(&mut cut).is_err());
    }
}
