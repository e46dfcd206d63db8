//! The conductor: parse, lower, resolve, plan, solve, export.

pub mod events;
pub mod request;
pub mod site;
