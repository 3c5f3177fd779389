//! The only place of the agent that draws random bytes (keys aside, which their library draws).

/// Fresh random bytes from the operating system. Blocks until the system has gathered enough after boot.
#[expect(clippy::disallowed_methods, reason = "the one place that asks the system for random bytes")]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("every kernel this runs on has getrandom or /dev/urandom");
    bytes
}

/// A fresh random number over the whole range.
pub(crate) fn number() -> u64 {
    u64::from_be_bytes(bytes())
}
