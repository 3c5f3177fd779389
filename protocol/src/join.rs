//! The join string `<fingerprint>.<secret>`: whom an agent trusts, and what lets it ask to join. The control plane makes it
//! and the agent reads it, by the same rules.

use std::fmt;

/// Longest join secret, bytes.
pub const MAX_SECRET_BYTES: usize = 256;

const HOW: &str = "copy the whole join string `<fingerprint>.<secret>` that the control plane printed";

/// A join string. The secret may have dots of its own, since a fingerprint has none.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the authority's certificate.
    pub authority: [u8; 32],
    /// The secret, as sent.
    pub secret: String,
}

impl JoinToken {
    /// Reads a join string. The error never repeats it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (fingerprint, secret) =
            text.trim().split_once('.').ok_or_else(|| format!("is no join string: it has no '.'; {HOW}"))?;
        let authority = parse_fingerprint(fingerprint).ok_or_else(|| {
            format!("is no join string: it does not begin with 64 hexadecimal digits; {HOW}")
        })?;
        check_secret(secret).map_err(|problem| format!("is no join string: {problem}; {HOW}"))?;
        Ok(Self { authority, secret: secret.to_owned() })
    }

    /// The join string, which is a secret.
    pub fn text(&self) -> String {
        format!("{}.{}", fingerprint_text(&self.authority), self.secret)
    }
}

/// Never shows the secret.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({}.********)", fingerprint_text(&self.authority))
    }
}

/// A secret that cannot be given to agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// There is none.
    #[error("the join secret is empty")]
    Empty,
    /// It has more than [`MAX_SECRET_BYTES`].
    #[error("the join secret has more than {MAX_SECRET_BYTES} bytes")]
    Long,
    /// It could not be told from what stands around a join string in lists and addresses.
    #[error("the join secret may only have letters, digits and signs of ASCII, without spaces and , : @")]
    Character,
}

/// Whether agents can be given this secret.
pub fn check_secret(secret: &str) -> Result<(), InvalidSecret> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b':' | b'@');
    match secret {
        "" => Err(InvalidSecret::Empty),
        long if long.len() > MAX_SECRET_BYTES => Err(InvalidSecret::Long),
        text if text.bytes().all(is_allowed) => Ok(()),
        _ => Err(InvalidSecret::Character),
    }
}

/// 64 hexadecimal digits as bytes.
pub fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * position..2 * position + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Bytes as lower-case hexadecimal digits.
pub fn fingerprint_text(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_whatever_the_secret() {
        for secret in ["s3cret", "my.secret.phrase-1", "q0/+Zm8=", "~!#$%^&*()_+"] {
            let token = JoinToken { authority: [0xab; 32], secret: secret.to_owned() };
            assert_eq!(check_secret(secret), Ok(()));
            assert_eq!(JoinToken::parse(&token.text()), Ok(token.clone()));
            assert!(!format!("{token:?}").contains(secret));
        }
    }

    #[test]
    fn secrets_that_would_not_arrive_are_refused_on_both_sides() {
        for secret in ["two words", "a,b", "user:pass", "a@b", "süß", "line\n"] {
            assert_eq!(check_secret(secret), Err(InvalidSecret::Character), "{secret:?}");
        }
        assert_eq!(check_secret(""), Err(InvalidSecret::Empty));
        assert_eq!(check_secret(&"x".repeat(MAX_SECRET_BYTES + 1)), Err(InvalidSecret::Long));
        let text = format!("{}.a,b", "0".repeat(64));
        let problem = JoinToken::parse(&text).unwrap_err();
        assert!(problem.contains(&InvalidSecret::Character.to_string()), "{problem}");
    }
}
