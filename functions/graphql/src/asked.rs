//! A request that is being answered, and what its fields leave beside their values.

use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_graphql::{ErrorExtensionValues, to_value};
use landslide_aws::clock;
use landslide_domain::{
    error::Error as Failure,
    limits::{Quota, Renewed, Standing},
    member::Member,
    results::reading::Reuse,
    time::Timestamp,
    viewer::Viewer,
};
use landslide_edge::{Error, Request};
use landslide_service::{limits::Admission, results::ResultsDocument};

use crate::services::Services;

/// The least time that must be left for a mutation to begin. A change that others overtake is written again for 12 s at most, and
/// must not be cut off in between.
const CHANGE_TIME: Duration = Duration::from_secs(14);

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
    /// Whether a mutation has begun.
    has_changed: bool,
    /// What is left of the tenant's limits, as far as mutations have used them.
    quotas: BTreeMap<Renewed, Quota>,
}

impl Asked {
    pub(crate) fn new(services: Arc<Services>, request: Request, viewer: Option<Viewer>, now: Timestamp) -> Self {
        Self { services, request, viewer, now, left: Mutex::default() }
    }

    /// The member who asks. Fails if it is none.
    pub(crate) fn member(&self) -> Result<Member, Error> {
        self.request.member(self.now)
    }

    /// A mutation begins: returns the member who changes something, and how its tenant stands by its limits. Each mutation counts
    /// as a request, as in REST; the first one is the request itself, which is counted already. Fails if a mutation before has
    /// failed on our side, as the whole request then fails and is sent again.
    pub(crate) async fn change(&self) -> Result<(Member, Standing), Error> {
        let member = self.member()?;
        if self.left().failure.is_some() || self.request.time_left() < CHANGE_TIME {
            let cause = "a mutation did not begin, as one before it has failed or taken too long";
            return Err(Failure::Unavailable(cause.to_owned()).into());
        }
        let is_first = !mem::replace(&mut self.left().has_changed, true);
        let standing = if is_first { *self.request.standing()? } else { self.another_request(&member).await? };
        self.note(standing.requests());
        Ok((member, standing))
    }

    async fn another_request(&self, member: &Member) -> Result<Standing, Error> {
        match self.services.limits.admit(&member.tenant.key()).await? {
            Admission::Admitted(standing) => Ok(standing),
            Admission::Refused(standing) => Err(Failure::LimitExceeded(standing.requests()).into()),
        }
    }

    /// Notes what is left of a limit.
    pub(crate) fn note(&self, quota: Quota) {
        self.left().quotas.insert(quota.of, quota);
    }

    /// What is left of limits that mutations have used.
    pub(crate) fn quotas(&self) -> Vec<Quota> {
        self.left().quotas.values().copied().collect()
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
        if !error.fields().is_empty() {
            extensions.set("errors", to_value(error.fields()).unwrap_or_default());
        }
        if let Error::UseCase(Failure::LimitExceeded(quota)) = &error {
            self.note(*quota);
        }
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
