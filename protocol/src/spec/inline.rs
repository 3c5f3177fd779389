//! Input source `inline`: the data is in the job.

use super::data_url::{BlobRef, DataUrl, InlineUrl, is_archive};
use super::{Fields, InvalidParams, Report, read};
use crate::model::SpecConfig;

/// Data larger than this becomes a blob at submit, bytes.
pub const MAX_INLINE_BYTES: usize = 16 * 1024;

/// Parameters of an inline source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineSource {
    /// The data, or where it is.
    pub url: InlineUrl,
}

impl InlineSource {
    /// Reads the parameters.
    pub fn parse(config: &SpecConfig) -> Result<Self, InvalidParams> {
        read(config, Self::from_fields)?.ok_or_else(|| InvalidParams(Vec::new()))
    }

    /// Whether the data is a gzipped tar that becomes a directory; otherwise it becomes a file.
    pub fn is_archive(&self) -> bool {
        match &self.url {
            InlineUrl::Data(data) => is_archive(&data.media_type),
            InlineUrl::Blob(blob) => blob.is_archive(),
        }
    }

    pub(super) fn from_fields(fields: &mut Fields<'_>, report: &mut Report) -> Option<Self> {
        let url = fields.text("URL", report);
        match InlineUrl::parse(&url) {
            Ok(url) => Some(Self { url }),
            Err(error) => {
                report.error(fields.at("URL"), error.to_string());
                None
            }
        }
    }
}

/// Replaces data larger than [`MAX_INLINE_BYTES`] by a reference, and gives the data back to be stored as a blob.
/// Leaves alone what is no inline source.
pub fn take_large_data(config: &mut SpecConfig) -> Option<(BlobRef, Vec<u8>)> {
    if !config.is("inline") || config.params.len() <= MAX_INLINE_BYTES {
        return None;
    }
    let Ok(InlineSource { url: InlineUrl::Data(data) }) = InlineSource::parse(config) else { return None };
    if data.bytes.len() <= MAX_INLINE_BYTES {
        return None;
    }
    let reference = data.reference();
    config.params = params(&reference.to_string());
    Some((reference, data.bytes))
}

/// The blob an input source refers to, if it does.
pub fn blob_of(config: &SpecConfig) -> Option<BlobRef> {
    // A reference is short; longer parameters hold data and need not be decoded.
    if !config.is("inline") || config.params.len() > 1024 {
        return None;
    }
    match InlineSource::parse(config).ok()?.url {
        InlineUrl::Blob(blob) => Some(blob),
        InlineUrl::Data(_) => None,
    }
}

/// An inline source that holds these bytes.
pub fn source(media_type: &str, bytes: Vec<u8>) -> SpecConfig {
    let data = DataUrl { media_type: media_type.to_owned(), bytes };
    SpecConfig { kind: "inline".to_owned(), params: params(&data.to_string()) }
}

fn params(url: &str) -> String {
    serde_json::json!({ "URL": url }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_data_moves_into_a_blob_and_small_data_stays() {
        let mut small = source("text/plain", vec![1; MAX_INLINE_BYTES]);
        assert_eq!(take_large_data(&mut small), None);
        let mut large = source("application/gzip", vec![1; MAX_INLINE_BYTES + 1]);
        let (reference, bytes) = take_large_data(&mut large).unwrap();
        assert_eq!((reference.size, bytes.len()), (16_385, 16_385));
        assert_eq!(blob_of(&large), Some(reference));
        assert!(InlineSource::parse(&large).unwrap().is_archive());
        assert_eq!(take_large_data(&mut large), None);
    }

    #[test]
    fn a_missing_or_wrong_url_is_named() {
        let config = |params: &str| SpecConfig { kind: "inline".into(), params: params.into() };
        let error = |params| InlineSource::parse(&config(params)).unwrap_err().to_string();
        assert_eq!(error(""), r#"Params.URL: expected a URL beginning with "data:""#);
        assert!(error(r#"{"url": 5}"#).contains("Params.URL: expected text, found the number 5"));
        assert!(error("[]").contains("expected an object"));
        assert!(error("{").starts_with("Params: "));
    }
}
