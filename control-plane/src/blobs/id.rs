use std::fmt;
use std::str::FromStr;

/// The SHA-256 of a blob's content. Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; 32]);

/// Not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no blob id: 64 lower-case hexadecimal digits are expected")]
pub struct InvalidBlobId(String);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = InvalidBlobId;

    fn from_str(text: &str) -> Result<Self, InvalidBlobId> {
        let invalid = || InvalidBlobId(text.chars().take(100).collect());
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(invalid()) };
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(invalid)
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_reads_back_as_written(bytes: [u8; 32]) {
            prop_assert_eq!(BlobId(bytes).to_string().parse(), Ok(BlobId(bytes)));
        }
    }

    #[test]
    fn only_one_spelling_is_accepted() {
        let good = "0a".repeat(32);
        assert!(good.parse::<BlobId>().is_ok());
        for bad in
            ["", "0a", &"0A".repeat(32), &"0a".repeat(33), &format!("{}+a", "0a".repeat(31)), "../../x"]
        {
            assert!(bad.parse::<BlobId>().is_err(), "{bad}");
        }
    }
}
