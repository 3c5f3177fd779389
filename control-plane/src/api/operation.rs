//! One operation of the API: its handler and what the document says of it, in one value so that they cannot part.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::JsonSchema;

use super::openapi::{SchemaOf, schema_of};
use super::routes::Api;

/// A method at a path.
pub(super) struct Operation {
    /// Lower-case, as OpenAPI writes it.
    pub(super) method: &'static str,
    /// With `{names}` for what varies.
    pub(super) path: &'static str,
    /// One line for people.
    pub(super) summary: &'static str,
    /// What may stand in the query.
    pub(super) query: &'static [Query],
    /// The JSON body, if one is read.
    pub(super) body: Option<SchemaOf>,
    /// Statuses that are no refusals, and what comes with them.
    pub(super) answers: Vec<(u16, &'static str, Gives)>,
    /// What serves it.
    pub(super) handler: MethodRouter<Arc<Api>>,
}

/// A query parameter: name, kind, and what it does.
pub(super) struct Query(pub(super) &'static str, pub(super) Kind, pub(super) &'static str);

/// What a query parameter holds.
pub(super) enum Kind {
    Text,
    /// May be repeated.
    Texts,
    Number,
    Flag,
    Word(&'static [&'static str]),
}

/// What an answer holds.
pub(super) enum Gives {
    Json(SchemaOf),
    /// Bytes of this media type.
    Bytes(&'static str),
    Nothing,
}

impl Operation {
    /// Reads.
    pub(super) fn get<H: Handler<T, Arc<Api>>, T: 'static>(
        path: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new("get", path, summary, on(MethodFilter::GET, handler))
    }

    /// Makes or changes.
    pub(super) fn put<H: Handler<T, Arc<Api>>, T: 'static>(
        path: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new("put", path, summary, on(MethodFilter::PUT, handler))
    }

    /// Makes.
    pub(super) fn post<H: Handler<T, Arc<Api>>, T: 'static>(
        path: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new("post", path, summary, on(MethodFilter::POST, handler))
    }

    /// Ends.
    pub(super) fn delete<H: Handler<T, Arc<Api>>, T: 'static>(
        path: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new("delete", path, summary, on(MethodFilter::DELETE, handler))
    }

    fn new(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Arc<Api>>,
    ) -> Self {
        Self { method, path, summary, query: &[], body: None, answers: Vec::new(), handler }
    }

    /// What may stand in the query.
    pub(super) fn query(mut self, query: &'static [Query]) -> Self {
        self.query = query;
        self
    }

    /// The JSON body that is read.
    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(schema_of::<T>);
        self
    }

    /// The JSON that comes with 200.
    pub(super) fn gives<T: JsonSchema>(self) -> Self {
        self.or(200, "Done.", Gives::Json(schema_of::<T>))
    }

    /// Another status that is no refusal.
    pub(super) fn or(mut self, status: u16, about: &'static str, gives: Gives) -> Self {
        self.answers.push((status, about, gives));
        self
    }
}
