//! Polls and counts in PostgreSQL, for questions across polls that DynamoDB can't answer.
//!
//! The sync writes to the primary with a [`writer::Writer`], whose rows converge: each poll is replaced whole by a reading
//! that is newer, whatever comes twice or out of order. The API reads from a replica with a [`reader::Reader`], which sees
//! one tenant's rows because the database lets its role see no others. The operator keeps schema and months with
//! [`migrations`] and [`months`].

pub mod address;
pub mod comparison;
pub mod connection;
pub mod error;
pub mod migrations;
pub mod months;
pub mod reader;
pub mod snapshot;
pub mod status;
mod time;
mod tls;
pub mod writer;

/// Owns schema and tables. Nobody logs in as it.
pub const OWNER: &str = "landslide_owner";
/// The role that the sync logs in as.
pub const SYNC: &str = "landslide_sync";
/// The role that the API logs in as.
pub const API: &str = "landslide_api";
/// People who may see all tenants' rows are members of it.
pub const ANALYST: &str = "landslide_analyst";
