//! A request that is being answered, and what its fields leave beside their values.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_graphql::ErrorExtensionValues;
use landslide_aws::clock;
use landslide_domain::{member::Member, results::reading::Reuse, time::Timestamp, viewer::Viewer};
use landslide_edge::{Error, Request};
use landslide_service::results::ResultsDocument;

use crate::services::Services;

/// The request.
pub(crate) struct Asked {
    pub services: Arc<Services>,
    pub request: Request,
    /// Who asks for counts. If `None`, anyone.
    pub viewer: Option<Viewer>,
    /// When it was asked.
    pub now: Timestamp,
    left: Mutex<Left>,
}

/// What fields leave.
#[derive(Default)]
struct Left {
    reuse: Option<Reuse>,
    failure: Option<Error>,
}

impl Asked {
    pub(crate) fn new(services: Arc<Services>, request: Request, viewer: Option<Viewer>, now: Timestamp) -> Self {
        Self { services, request, viewer, now, left: Mutex::default() }
    }

    /// The member who asks. Fails if it is none.
    pub(crate) fn member(&self) -> Result<Member, Error> {
        self.request.member(self.now)
    }

    /// Resolves a field that is null, with an error, if it fails: so that a failure is no other field's.
    pub(crate) async fn field<T>(
        &self,
        resolve: impl Future<Output = Result<T, Error>>,
    ) -> Option<async_graphql::Result<T>> {
        Some(resolve.await.map_err(|error| self.field_error(error)))
    }

    /// Notes how long a document may be used: an answer may be used for as long as all that it is made of.
    pub(crate) fn reused(&self, document: &ResultsDocument) {
        let reuse = document.reuse(clock::now());
        let mut left = self.left();
        left.reuse = Some(left.reuse.map_or(reuse, |before| Reuse {
            max_age_seconds: before.max_age_seconds.min(reuse.max_age_seconds),
            poll_after_seconds: before.poll_after_seconds.min(reuse.poll_after_seconds),
        }));
    }

    /// How long the answer may be used. `None` if it has no counts.
    pub(crate) fn reuse(&self) -> Option<Reuse> {
        self.left().reuse
    }

    /// The first failure on our side. It fails the whole request, so that a client sends it again.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.left().failure.take()
    }

    fn field_error(&self, error: Error) -> async_graphql::Error {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code());
        let shown = async_graphql::Error { message: error.detail(), source: None, extensions: Some(extensions) };
        if error.cause().is_some() {
            self.left().failure.get_or_insert(error);
        }
        shown
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
