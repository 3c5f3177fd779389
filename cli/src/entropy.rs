//! The one place of this crate where chance comes from.

/// Sixteen random bytes: the raw material of an id.
#[expect(clippy::disallowed_methods, reason = "this is the entropy helper")]
pub(crate) fn id_bytes() -> std::io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}
