//! What holds while parts fail, freeze, are killed, or give no answer.

mod audit_log;
mod chaos;
mod crashes;
mod event_sources;
mod frozen;
mod lost_answers;
