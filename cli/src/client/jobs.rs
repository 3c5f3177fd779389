//! Jobs (api.md 3.1 to 3.10).

use bacalhau_protocol::api::{
    Execution, GetJobResponse, HistoryItem, Job, ListResponse, PutJobRequest, PutJobResponse,
    RerunJobRequest, RerunJobResponse, SpecConfig, StopJobRequest, StopJobResponse,
};
use reqwest::Method;
use serde_json::Value;

use super::{Client, JOBS, Result, said_if, said_unless_zero, with_query};

/// Items of one page at most (docs/limits.md).
const MAX_ITEMS: u32 = 1000;

/// Which jobs to list. Empty texts ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct JobListQuery {
    /// At most so many; 0 for all.
    pub limit: u32,
    /// Where the page before ended.
    pub next_token: String,
    /// Field to sort by.
    pub order_by: String,
    /// Sort the other way round.
    pub reverse: bool,
    /// Label selector.
    pub labels: String,
    /// Only this namespace.
    pub namespace: String,
}

/// Which executions of a job to list.
#[derive(Clone, Debug, Default)]
pub struct ExecutionQuery {
    /// At most so many; 0 for all.
    pub limit: u32,
    /// Where the page before ended.
    pub next_token: String,
    /// Field to sort by.
    pub order_by: String,
    /// Sort the other way round.
    pub reverse: bool,
    /// Version of the job; 0 for the latest.
    pub job_version: u64,
    /// Executions of all versions.
    pub all_versions: bool,
    /// Where the job's name is looked up.
    pub namespace: String,
}

/// Which events of a job to list.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// At most so many; 0 for as many as the server gives.
    pub limit: u32,
    /// Where the page before ended.
    pub next_token: String,
    /// `all`, `job` or `execution`.
    pub event_type: String,
    /// Only events of this execution.
    pub execution_id: String,
    /// Version of the job; 0 for the latest.
    pub job_version: u64,
    /// Events of all versions.
    pub all_versions: bool,
    /// Where the job's name is looked up.
    pub namespace: String,
    /// While there is nothing new, the answer may be held back so long, seconds.
    pub wait_secs: u64,
}

/// In what a job differs from the stored one of its name (api.md 3.2).
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobDiff {
    /// Lines that begin with `+`, `-` or a blank.
    pub diff: String,
    /// What was ignored or odd.
    pub warnings: Option<Vec<String>>,
}

impl Client {
    /// Submits a job. With `force` also one that changes nothing.
    pub async fn submit(&self, job: &Value, force: bool) -> Result<PutJobResponse> {
        let request = PutJobRequest { job: job.clone(), force };
        self.put(self.url(JOBS, &[])?, &request).await
    }

    /// A page of jobs.
    pub async fn jobs(&self, query: &JobListQuery) -> Result<ListResponse<Job>> {
        let pairs = [
            ("limit", said_unless_zero(query.limit.into())),
            ("next_token", query.next_token.clone()),
            ("order_by", query.order_by.clone()),
            ("reverse", said_if(query.reverse)),
            ("labels", query.labels.clone()),
            ("namespace", query.namespace.clone()),
        ];
        self.get(with_query(self.url(JOBS, &[])?, &pairs)).await
    }

    /// One job, by its name, its id or the unique beginning of its id. Version 0 is the latest.
    pub async fn job(&self, job: &str, version: u64, namespace: &str) -> Result<GetJobResponse> {
        let pairs = [("job_version", said_unless_zero(version)), ("namespace", namespace.to_owned())];
        self.get(with_query(self.url(JOBS, &[job])?, &pairs)).await
    }

    /// One job with all its executions and its history.
    pub async fn job_with_everything(
        &self,
        job: &str,
        version: u64,
        namespace: &str,
    ) -> Result<GetJobResponse> {
        let pairs = [
            ("job_version", said_unless_zero(version)),
            ("namespace", namespace.to_owned()),
            ("include", "executions,history".to_owned()),
        ];
        let mut answer: GetJobResponse = self.get(with_query(self.url(JOBS, &[job])?, &pairs)).await?;
        let id = answer.job.id.clone();
        if let Some(page) = &mut answer.executions {
            let next_token = std::mem::take(&mut page.next_token);
            let query = ExecutionQuery { next_token, job_version: version, ..ExecutionQuery::default() };
            self.more_executions(&id, query, &mut page.items).await?;
        }
        if let Some(page) = answer.history.as_mut().filter(|page| !page.next_token.is_empty()) {
            let next_token = std::mem::take(&mut page.next_token);
            let query = HistoryQuery { next_token, job_version: version, ..HistoryQuery::default() };
            page.items.append(&mut self.whole_history(&id, query, usize::MAX).await?.items);
        }
        Ok(answer)
    }

    /// All versions of a job, oldest first.
    pub async fn versions(&self, job: &str, namespace: &str) -> Result<Vec<Job>> {
        let (mut versions, mut token) = (Vec::new(), String::new());
        loop {
            let query = [("namespace", namespace.to_owned()), ("next_token", token)];
            let page: ListResponse<Job> =
                self.get(with_query(self.url(JOBS, &[job, "versions"])?, &query)).await?;
            versions.extend(page.items);
            token = page.next_token;
            if token.is_empty() {
                return Ok(versions);
            }
        }
    }

    /// Runs a version of a job again, as its next version. Version 0 is the latest.
    pub async fn rerun(&self, job: &str, version: u64, namespace: &str) -> Result<RerunJobResponse> {
        let request = RerunJobRequest {
            job_version: version,
            reason: "Rerun at user request".to_owned(),
            namespace: namespace.to_owned(),
        };
        self.put(self.url(JOBS, &[job, "rerun"])?, &request).await
    }

    /// In what a job differs from the stored one of its name; empty if in nothing.
    pub async fn diff(&self, job: &Value) -> Result<JobDiff> {
        let request = PutJobRequest { job: job.clone(), force: false };
        self.put(self.url(JOBS, &["diff"])?, &request).await
    }

    /// Asks to stop a job.
    pub async fn stop(&self, job: &str, reason: &str, namespace: &str) -> Result<StopJobResponse> {
        let url = with_query(self.url(JOBS, &[job])?, &[("namespace", namespace.to_owned())]);
        let request = StopJobRequest { reason: reason.to_owned() };
        self.call(Method::DELETE, url, Some(&request)).await
    }

    /// A page of what happened to a job. The token is empty only when nothing more can happen.
    pub async fn history(&self, job: &str, query: &HistoryQuery) -> Result<ListResponse<HistoryItem>> {
        let pairs = [
            ("limit", said_unless_zero(query.limit.into())),
            ("next_token", query.next_token.clone()),
            ("event_type", query.event_type.clone()),
            ("execution_id", query.execution_id.clone()),
            ("job_version", said_unless_zero(query.job_version)),
            ("all_job_versions", said_if(query.all_versions)),
            ("namespace", query.namespace.clone()),
            ("wait", said_unless_zero(query.wait_secs.min(self.answer_timeout().as_secs() / 2))),
        ];
        self.get(with_query(self.url(JOBS, &[job, "history"])?, &pairs)).await
    }

    /// A page of executions.
    pub async fn executions(&self, job: &str, query: &ExecutionQuery) -> Result<ListResponse<Execution>> {
        let pairs = [
            ("limit", said_unless_zero(query.limit.into())),
            ("next_token", query.next_token.clone()),
            ("order_by", query.order_by.clone()),
            ("reverse", said_if(query.reverse)),
            ("job_version", said_unless_zero(query.job_version)),
            ("all_job_versions", said_if(query.all_versions)),
            ("namespace", query.namespace.clone()),
        ];
        self.get(with_query(self.url(JOBS, &[job, "executions"])?, &pairs)).await
    }

    /// What happened to a job, up to `most` events. The server looks at so many events for a page and no more, so that
    /// a page of few kinds of them may be short, or empty, and not the last. The token is empty if there are no more.
    pub async fn whole_history(
        &self,
        job: &str,
        mut query: HistoryQuery,
        most: usize,
    ) -> Result<ListResponse<HistoryItem>> {
        let mut items = Vec::new();
        loop {
            query.limit = u32::try_from(most - items.len()).unwrap_or(u32::MAX).min(MAX_ITEMS);
            let page = self.history(job, &query).await?;
            // The token behind the last event of a job in progress leads to itself.
            let is_last = page.items.is_empty() && page.next_token == query.next_token;
            items.extend(page.items);
            query.next_token = if is_last { String::new() } else { page.next_token };
            if query.next_token.is_empty() || items.len() >= most {
                return Ok(ListResponse { items, next_token: query.next_token });
            }
        }
    }

    /// All executions of a job's latest version.
    pub async fn all_executions(&self, job: &str, namespace: &str) -> Result<Vec<Execution>> {
        let query = ExecutionQuery { namespace: namespace.to_owned(), ..ExecutionQuery::default() };
        let first = self.executions(job, &query).await?;
        let mut found = first.items;
        let query = ExecutionQuery { next_token: first.next_token, ..query };
        self.more_executions(job, query, &mut found).await?;
        Ok(found)
    }

    /// Those behind the query's token, if it has one.
    async fn more_executions(
        &self,
        job: &str,
        mut query: ExecutionQuery,
        found: &mut Vec<Execution>,
    ) -> Result<()> {
        while !query.next_token.is_empty() {
            let page = self.executions(job, &query).await?;
            found.extend(page.items);
            query.next_token = page.next_token;
        }
        Ok(())
    }

    /// Where the published results of a job's latest version are.
    pub async fn results(&self, job: &str, namespace: &str) -> Result<ListResponse<SpecConfig>> {
        self.get(with_query(self.url(JOBS, &[job, "results"])?, &[("namespace", namespace.to_owned())])).await
    }
}
