//! Errors as one line for people.

use std::error::Error;
use std::fmt::Write;

/// An error with all its sources, as in `reading the inputs: no such file`.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string does not fail.
        _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outside(#[source] std::io::Error);

    #[test]
    fn sources_follow_their_consequences() {
        assert_eq!(chain(&Outside(std::io::Error::other("inside"))), "outside: inside");
    }
}
