//! The only place of this crate that draws random numbers.

/// `N` random bytes.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one source of chance")]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system always has random numbers after boot");
    bytes
}

/// A random number.
pub(crate) fn number() -> u64 {
    u64::from_be_bytes(bytes())
}
