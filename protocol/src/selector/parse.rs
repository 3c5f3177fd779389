//! Kubernetes' string form: `a=b,c in (x,y),!d,e>2`.

use super::{Constraint, Operator, validate};

/// Longest selector text, bytes.
pub const MAX_SELECTOR_BYTES: usize = 8 * 1024;

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// More than [`MAX_SELECTOR_BYTES`].
    #[error("the selector has {0} bytes, the limit is {MAX_SELECTOR_BYTES}")]
    TooLong(usize),
    /// A term cannot be read.
    #[error(
        "{term:?} is not a selector term; write key=value, key!=value, key in (a,b), key notin (a,b), key, !key, key>5 or key<5"
    )]
    Term {
        /// The term.
        term: String,
    },
    /// A term can be read but makes no sense.
    #[error("selector term {term:?}: {problem}")]
    Meaning {
        /// The term.
        term: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads a selector; the empty text selects everything.
pub fn parse(text: &str) -> Result<Vec<Constraint>, SelectorError> {
    if text.len() > MAX_SELECTOR_BYTES {
        return Err(SelectorError::TooLong(text.len()));
    }
    split_terms(text).into_iter().map(str::trim).filter(|term| !term.is_empty()).map(checked_term).collect()
}

/// Splits at commas that are not inside parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => inside = true,
            b')' => inside = false,
            b',' if !inside => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn checked_term(term: &str) -> Result<Constraint, SelectorError> {
    let constraint = parse_term(term).ok_or_else(|| SelectorError::Term { term: term.to_owned() })?;
    match validate(&constraint) {
        Some(problem) => Err(SelectorError::Meaning { term: term.to_owned(), problem: problem.message }),
        None => Ok(constraint),
    }
}

fn parse_term(term: &str) -> Option<Constraint> {
    let make = |key: &str, operator, values: Vec<&str>| {
        let values = values.into_iter().map(str::to_owned).collect();
        plain(key).map(|key| Constraint { key: key.to_owned(), operator, values })
    };
    if let Some(key) = term.strip_prefix('!') {
        return make(key, Operator::Absent, vec![]);
    }
    // Longest first, so that `a==b` is not read as `a` equals `=b`.
    for operator in ["!=", "==", "=", ">", "<"] {
        if let Some((key, value)) = term.split_once(operator) {
            return make(key, symbol(operator)?, vec![plain(value)?]);
        }
    }
    let Some((key, rest)) = term.split_once(char::is_whitespace) else {
        return make(term, Operator::Exists, vec![]);
    };
    let (word, list) = rest.trim_start().split_once('(').map(|(word, list)| (word.trim(), list))?;
    let operator = Operator::parse(word).filter(|op| matches!(op, Operator::In | Operator::NotIn))?;
    let values = list.trim_end().strip_suffix(')')?.split(',').map(plain).collect::<Option<Vec<_>>>()?;
    make(key, operator, values)
}

fn symbol(text: &str) -> Option<Operator> {
    match text {
        ">" => Some(Operator::GreaterThan),
        "<" => Some(Operator::LessThan),
        other => Operator::parse(other),
    }
}

/// A key or value without blanks around and selector signs within.
fn plain(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_sign = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '=' | '!' | '<' | '>' | ',');
    (!text.contains(is_sign)).then_some(text)
}
