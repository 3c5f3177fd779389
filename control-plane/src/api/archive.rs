//! Results archives, relayed from where they lie (the blobs, or the node through its link). A broken download goes on
//! where it ended: `Range` is understood.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bacalhau_protocol::model::Execution;
use bacalhau_protocol::spec::publisher::UrlDownload;
use futures_util::stream;

use super::caller::{Action, Caller, Resource, authorize};
use super::error::ApiError;
use super::jobs::lookup;
use super::query::Params;
use super::routes::Api;
use crate::fleet::{RelayError, ResultStream};

/// Sends an archive, or the part of it that was asked for.
pub(super) async fn download(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((job, execution)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let job = lookup::job(&api, &job, params.namespace()).await?;
    authorize(&caller, Action::Read, Resource::Job { submitter: &job.submitter })?;
    let execution = lookup::execution(&api, &job.id, &execution).await?;
    let published = published(&execution)?;
    let wanted = Wanted::of(&headers)?;
    if published.size.is_some_and(|size| wanted.is_beyond(size)) {
        return Ok(not_satisfiable(published.size.unwrap_or_default()));
    }
    let relay = &api.parts.relay;
    let archive =
        relay.results(&execution.node_id, execution.id.clone(), published.sha256, wanted.first).await?;
    if wanted.is_beyond(archive.size) {
        return Ok(not_satisfiable(archive.size));
    }
    Ok(send(archive, wanted))
}

fn published(execution: &Execution) -> Result<UrlDownload, ApiError> {
    let none = || ApiError::no_results(execution.id.as_str());
    let published =
        execution.published.as_ref().filter(|config| config.is(UrlDownload::KIND)).ok_or_else(none)?;
    UrlDownload::parse(published).map_err(|_| none())
}

/// The bytes a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    is_range: bool,
    first: u64,
    last: Option<u64>,
}

impl Wanted {
    /// Reads `Range: bytes=N-` and `bytes=N-M`. Other forms may be ignored (RFC 9110), and are.
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
            return Ok(Self::default());
        };
        let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Ok(Self::default());
        };
        let Ok(first) = first.trim().parse() else { return Ok(Self::default()) };
        let last = match last.trim() {
            "" => None,
            last => {
                Some(last.parse().map_err(|_| ApiError::bad_request(format!("invalid range {value:?}")))?)
            }
        };
        if last.is_some_and(|last| last < first) {
            return Err(ApiError::bad_request(format!("invalid range {value:?}: it ends before it begins")));
        }
        Ok(Self { is_range: true, first, last })
    }

    fn is_beyond(self, size: u64) -> bool {
        self.is_range && self.first >= size
    }

    /// How many bytes that is of an archive of this size, which has some of them.
    fn length(self, size: u64) -> u64 {
        let end = self.last.map_or(size, |last| last.saturating_add(1).min(size));
        end.saturating_sub(self.first)
    }
}

fn send(archive: ResultStream, wanted: Wanted) -> Response {
    let (size, length) = (archive.size, wanted.length(archive.size));
    let etag: String = archive.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [
        (CONTENT_TYPE, "application/gzip".to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (ETAG, format!("\"{etag}\"")),
    ];
    let body = Body::from_stream(stream::try_unfold((archive, length), next_chunk));
    if !wanted.is_range {
        return (headers, body).into_response();
    }
    let last = (wanted.first + length).saturating_sub(1);
    let range = [(CONTENT_RANGE, format!("bytes {}-{last}/{size}", wanted.first))];
    (StatusCode::PARTIAL_CONTENT, headers, range, body).into_response()
}

/// A transfer that breaks, or ends early, breaks the answer too, so that the client sees it and goes on later.
async fn next_chunk(
    (mut archive, left): (ResultStream, u64),
) -> Result<Option<(Bytes, (ResultStream, u64))>, RelayError> {
    if left == 0 {
        return Ok(None);
    }
    let Some(mut chunk) = archive.next().await? else { return Ok(None) };
    chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
    let left = left - chunk.len() as u64;
    Ok(Some((chunk, (archive, left))))
}

fn not_satisfiable(size: u64) -> Response {
    (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, format!("bytes */{size}"))]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(range: &str) -> Result<Wanted, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        Wanted::of(&headers).map_err(|error| error.0.status)
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(wanted("bytes=5-"), Ok(Wanted { is_range: true, first: 5, last: None }));
        assert_eq!(wanted("bytes=5-9").unwrap().length(100), 5);
        assert_eq!(wanted("bytes=5-900").unwrap().length(100), 95);
        assert_eq!(wanted("bytes=-5"), Ok(Wanted::default()));
        assert_eq!(wanted("lines=1-2"), Ok(Wanted::default()));
        assert_eq!(wanted("bytes=9-5"), Err(400));
        assert!(wanted("bytes=100-").unwrap().is_beyond(100));
        assert!(!Wanted::default().is_beyond(0));
    }
}
