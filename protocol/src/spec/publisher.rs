//! Publishers, and where published results are.

use super::data_url::hex_hash;
use super::{Fields, InvalidParams, Report, read};
use crate::ids::{ExecutionId, JobId};
use crate::model::SpecConfig;

/// The publisher that keeps an archive on the device and brings it home through the link.
pub const LOCAL: &str = "local";

/// A published result that can be fetched by URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlDownload {
    /// Absolute, or a path that whoever answers a client completes.
    pub url: String,
    /// SHA-256 of the archive, where known.
    pub sha256: Option<[u8; 32]>,
    /// Size of the archive, bytes, where known.
    pub size: Option<u64>,
}

impl UrlDownload {
    /// How a result names this kind.
    pub const KIND: &'static str = "urlDownload";

    /// What an agent reports of an archive that comes home through the link.
    pub fn of_execution(job: &JobId, id: &ExecutionId, sha256: [u8; 32], size: u64) -> Self {
        Self { url: results_path(job, id), sha256: Some(sha256), size: Some(size) }
    }

    /// Reads a published result.
    pub fn parse(config: &SpecConfig) -> Result<Self, InvalidParams> {
        read(config, Self::from_fields)
    }

    /// As a published result.
    pub fn to_config(&self) -> SpecConfig {
        let mut params = serde_json::Map::new();
        params.insert("URL".to_owned(), self.url.clone().into());
        if let Some(hash) = &self.sha256 {
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            params.insert("SHA256".to_owned(), hex.into());
        }
        if let Some(size) = self.size {
            params.insert("Size".to_owned(), size.into());
        }
        SpecConfig { kind: Self::KIND.to_owned(), params: serde_json::Value::Object(params).to_string() }
    }

    fn from_fields(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let url = fields.text("URL", report);
        let hash = fields.text("SHA256", report);
        let size = fields.integer("Size", report).and_then(|size| u64::try_from(size).ok());
        if url.is_empty() {
            report.error(fields.at("URL"), "expected a URL, found nothing");
        }
        if !hash.is_empty() && hex_hash(&hash).is_none() {
            report.error(fields.at("SHA256"), format!("expected 64 hexadecimal digits, found {hash:?}"));
        }
        Self { url, sha256: hex_hash(&hash), size }
    }
}

/// Path of the API under which an execution's archive is fetched.
pub fn results_path(job: &JobId, id: &ExecutionId) -> String {
    format!("/api/v1/orchestrator/jobs/{job}/executions/{id}/results.tar.gz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_result_comes_back() {
        let (job, execution) = (JobId::parse("j-1").unwrap(), ExecutionId::parse("e-1").unwrap());
        let result = UrlDownload::of_execution(&job, &execution, [0xab; 32], 7);
        let config = result.to_config();
        let start = r#"{"URL":"/api/v1/orchestrator/jobs/j-1/executions/e-1/results.tar.gz","SHA256":"abab"#;
        assert!(config.params.starts_with(start), "{}", config.params);
        assert_eq!(UrlDownload::parse(&config), Ok(result));
    }

    #[test]
    fn a_broken_result_is_refused() {
        let config = SpecConfig { kind: UrlDownload::KIND.into(), params: r#"{"SHA256": "xyz"}"#.into() };
        let error = UrlDownload::parse(&config).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 2, "{error}");
    }
}
