//! Page tokens. Clients hand them back as they are; they carry what the page before was asked for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ApiError;

/// Most items of one answer; a larger or missing limit gets this and a token.
pub(super) const MAX_ITEMS: usize = 1000;

/// Where a listing goes on, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Field it is sorted by.
    pub(super) sort: String,
    /// Descending.
    pub(super) reverse: bool,
    /// Items on a page.
    pub(super) limit: usize,
    /// What the page begins behind; means something to the listing only.
    pub(super) position: String,
}

impl Token {
    /// Reads a token given out here.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let read = || {
            let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let mut parts = plain.splitn(4, ':');
            let sort = parts.next()?.to_owned();
            let reverse = match parts.next()? {
                "Y" => true,
                "N" => false,
                _ => return None,
            };
            let limit = parts.next()?.parse::<u32>().ok()?;
            let position = parts.next()?.to_owned();
            Some(Self { sort, reverse, limit: page_size(limit.into()), position })
        };
        read().ok_or_else(|| ApiError::bad_token(text))
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reverse = if self.reverse { 'Y' } else { 'N' };
        let plain = format!("{}:{reverse}:{}:{}", self.sort, self.limit, self.position);
        f.write_str(&URL_SAFE_NO_PAD.encode(plain))
    }
}

/// The number of items to give for a limit that was asked for; 0 asks for all.
pub(super) fn page_size(asked: u64) -> usize {
    match usize::try_from(asked) {
        Ok(asked @ 1..=MAX_ITEMS) => asked,
        _ => MAX_ITEMS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_look_like_bacalhaus_and_come_back() {
        let token = Token { sort: "created_at".into(), reverse: false, limit: 10, position: "0".into() };
        assert_eq!(token.to_string(), "Y3JlYXRlZF9hdDpOOjEwOjA");
        assert_eq!(Token::parse("Y3JlYXRlZF9hdDpOOjEwOjA"), Ok(token));
        for bad in ["x", "Y3JlYXRl", "Ojo6", "Olg6MTow", "é"] {
            assert_eq!(Token::parse(bad).unwrap_err().0.status, 400, "{bad}");
        }
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!((page_size(0), page_size(5), page_size(u64::MAX)), (MAX_ITEMS, 5, MAX_ITEMS));
    }
}
