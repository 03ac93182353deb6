//! `POST` and `DELETE /v1/polls/{poll_id}/transfer`, and `POST …/transfer/accept`: a tenant offers a poll to another one,
//! withdraws the offer, or accepts it.

use std::sync::Arc;

use landslide_aws::clock;
use landslide_domain::tenant::Tenant;
use landslide_edge::{BODY_BYTES_MAX, Error, Reply, Request, StatusCode};
use landslide_service::polls::PollChanges;

/// 200 with the poll as it is then; a repeat gets the same.
pub async fn handle(changes: Arc<PollChanges>, request: Request) -> Result<Reply, Error> {
    let poll_id = request.poll_id()?;
    let member = request.member(clock::now())?;
    let changed = match (request.method(), request.last_segment()) {
        ("POST", "transfer") => {
            let to: Tenant = request.json(BODY_BYTES_MAX)?;
            let to = to.checked().map_err(Error::invalid_fields)?;
            changes.offer(&poll_id, &member, &to).await?
        }
        ("DELETE", _) => changes.withdraw_offer(&poll_id, &member).await?,
        _ => {
            request.no_body()?;
            changes.accept_offer(&poll_id, &member).await?
        }
    };
    Reply::own_poll(StatusCode::OK, &changed, clock::now())
}
