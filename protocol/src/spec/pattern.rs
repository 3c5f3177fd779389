//! Regular expressions in parameters.

use std::fmt;

use regex_lite::{Captures, Regex, RegexBuilder};

/// Memory a compiled expression may take, bytes. An ordinary one takes a few thousand.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// A compiled regular expression. Time to match is linear in the text, whatever the expression, as with Go's RE2; `\d`,
/// `\w` and `\s` are ASCII, as there. Classes by Unicode property (`\pL`) are refused.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it, or says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        RegexBuilder::new(text)
            .size_limit(MAX_COMPILED_BYTES)
            .build()
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Whether it is found anywhere in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Where it is found first, with its groups.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.0.captures(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_found_anywhere_unless_it_is_anchored() {
        let pattern = Pattern::new("a.c").unwrap();
        assert!(pattern.is_in("xxabcxx") && !pattern.is_in("ac"));
        assert!(!Pattern::new("^b").unwrap().is_in("ab"));
    }

    #[test]
    fn what_cannot_be_compiled_is_told() {
        for broken in ["(", "[z-a]", "(?:a{1000}){1000}", r"\pL"] {
            assert!(!Pattern::new(broken).unwrap_err().is_empty(), "{broken}");
        }
    }
}
