//! Data inside a job: `data:` URLs, and the references that take their place once the data is a blob.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// Data written into a URL (RFC 2397).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataUrl {
    /// As `application/gzip`; `text/plain` when the URL names none.
    pub media_type: String,
    /// The data.
    pub bytes: Vec<u8>,
}

/// A reference to a blob of the control plane, written `blob:sha256:<hex>;<media type>;<size>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// SHA-256 of the data.
    pub hash: [u8; 32],
    /// As in [`DataUrl`].
    pub media_type: String,
    /// Bytes.
    pub size: u64,
}

/// What the `URL` of inline data may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InlineUrl {
    /// The data itself.
    Data(DataUrl),
    /// Where it is.
    Blob(BlobRef),
}

/// Why a URL holds no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDataUrl {
    /// Neither `data:` nor `blob:`.
    #[error("expected a URL beginning with \"data:\"")]
    Scheme,
    /// Nothing after the comma, and no comma.
    #[error("the data URL has no comma between its media type and its data")]
    Comma,
    /// Not base64 although it says so.
    #[error("the data URL says base64, but its data is not: {0}")]
    Base64(base64::DecodeError),
    /// A `%` without two hexadecimal digits.
    #[error("the data URL has a '%' that two hexadecimal digits do not follow")]
    Percent,
    /// A reference that is not of the form above.
    #[error("expected blob:sha256:<64 hexadecimal digits>;<media type>;<size>")]
    Reference,
}

impl InlineUrl {
    /// Reads either form.
    pub fn parse(url: &str) -> Result<Self, InvalidDataUrl> {
        if url.starts_with("blob:") {
            return BlobRef::parse(url).map(Self::Blob);
        }
        DataUrl::parse(url).map(Self::Data)
    }
}

impl DataUrl {
    /// Reads a data URL; the scheme in any case, base64 padded or not.
    pub fn parse(url: &str) -> Result<Self, InvalidDataUrl> {
        let rest =
            url.get(5..).filter(|_| url[..5].eq_ignore_ascii_case("data:")).ok_or(InvalidDataUrl::Scheme)?;
        let (head, data) = rest.split_once(',').ok_or(InvalidDataUrl::Comma)?;
        let (media_type, bytes) = match head.strip_suffix(";base64") {
            Some(media_type) => (media_type, base64_bytes(data)?),
            None => (head, percent_decoded(data)?),
        };
        let media_type = if media_type.is_empty() { "text/plain" } else { media_type };
        Ok(Self { media_type: media_type.to_owned(), bytes })
    }

    /// A reference to this data as a blob.
    pub fn reference(&self) -> BlobRef {
        BlobRef {
            hash: Sha256::digest(&self.bytes).into(),
            media_type: self.media_type.clone(),
            size: self.bytes.len() as u64,
        }
    }
}

/// As base64.
impl fmt::Display for DataUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "data:{};base64,{}", self.media_type, STANDARD.encode(&self.bytes))
    }
}

impl BlobRef {
    /// Reads a reference.
    pub fn parse(url: &str) -> Result<Self, InvalidDataUrl> {
        let read = || {
            let (hash, rest) = url.strip_prefix("blob:sha256:")?.split_once(';')?;
            // A media type may have parameters of its own, behind semicolons.
            let (media_type, size) = rest.rsplit_once(';')?;
            let size = size.bytes().all(|byte| byte.is_ascii_digit()).then(|| size.parse().ok())??;
            Some(Self { hash: hex_hash(hash)?, media_type: media_type.to_owned(), size })
        };
        read().ok_or(InvalidDataUrl::Reference)
    }

    /// Whether the data is a gzipped tar to be unpacked.
    pub fn is_archive(&self) -> bool {
        is_archive(&self.media_type)
    }
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blob:sha256:")?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ";{};{}", self.media_type, self.size)
    }
}

/// Inline directories travel as gzipped tar under this media type.
pub(super) fn is_archive(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/gzip")
}

/// Reads the lower- or upper-case hexadecimal form of a SHA-256.
pub(super) fn hex_hash(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

fn base64_bytes(data: &str) -> Result<Vec<u8>, InvalidDataUrl> {
    // Some writers escape `+`, `/` and `=`.
    let plain = if data.contains('%') { percent_decoded(data)? } else { data.as_bytes().to_vec() };
    STANDARD
        .decode(&plain)
        .or_else(|error| STANDARD_NO_PAD.decode(&plain).map_err(|_| InvalidDataUrl::Base64(error)))
}

fn percent_decoded(text: &str) -> Result<Vec<u8>, InvalidDataUrl> {
    let (mut bytes, mut out) = (text.bytes(), Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        let plain = if byte == b'%' { hex_pair(bytes.next(), bytes.next())? } else { byte };
        out.push(plain);
    }
    Ok(out)
}

fn hex_pair(high: Option<u8>, low: Option<u8>) -> Result<u8, InvalidDataUrl> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low).ok_or(InvalidDataUrl::Percent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_plain_escaped_and_base64_data() {
        let read =
            |url| DataUrl::parse(url).map(|data| (data.media_type, String::from_utf8(data.bytes).unwrap()));
        assert_eq!(read("data:,a%20b"), Ok(("text/plain".into(), "a b".into())));
        assert_eq!(
            read("DATA:text/plain;charset=utf-8,x"),
            Ok(("text/plain;charset=utf-8".into(), "x".into()))
        );
        assert_eq!(read("data:a/b;base64,aGk="), Ok(("a/b".into(), "hi".into())));
        assert_eq!(read("data:;base64,aGk"), Ok(("text/plain".into(), "hi".into())));
        assert_eq!(read("data:;base64,aGk%3D"), Ok(("text/plain".into(), "hi".into())));
    }

    #[test]
    fn says_why_a_url_holds_no_data() {
        assert_eq!(InlineUrl::parse("file:x"), Err(InvalidDataUrl::Scheme));
        assert_eq!(InlineUrl::parse("dätä:"), Err(InvalidDataUrl::Scheme));
        assert_eq!(InlineUrl::parse("data:text/plain"), Err(InvalidDataUrl::Comma));
        assert_eq!(InlineUrl::parse("data:,%4"), Err(InvalidDataUrl::Percent));
        assert!(matches!(InlineUrl::parse("data:;base64,!"), Err(InvalidDataUrl::Base64(_))));
        for bad in [
            "blob:",
            "blob:sha256:00;a/b;1",
            "blob:md5:x;a;1",
            &format!("blob:sha256:{};a;+1", "0".repeat(64)),
        ] {
            assert_eq!(InlineUrl::parse(bad), Err(InvalidDataUrl::Reference), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn data_and_references_come_back(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let data = DataUrl { media_type: "text/plain;charset=utf-8".into(), bytes };
            prop_assert_eq!(DataUrl::parse(&data.to_string()).unwrap(), data.clone());
            let reference = data.reference();
            prop_assert_eq!(BlobRef::parse(&reference.to_string()).unwrap(), reference);
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "(data:|blob:sha256:)?.{0,80}") {
            let _ = InlineUrl::parse(&text);
        }
    }
}
