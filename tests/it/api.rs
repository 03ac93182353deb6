//! The API as its callers use it: requests, answers, and what closing and opening promise them.

mod audit;
mod bad_input;
mod caching;
mod changes;
mod closing;
mod copy;
mod devices;
mod identity;
mod keys;
mod leaks;
mod limits;
mod opening;
mod owners;
mod pause;
mod polls;
mod races;
mod ranked;
mod results;
mod roles;
mod tenants;
mod tokens;
mod transfer;
mod usage;
mod views;
mod visibility;
mod votes;
