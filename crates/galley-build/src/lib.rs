//! The conductor: parse, lower, resolve, plan, solve, export.
//!
//! [`build::build`] is the straight line. Beside it stand the parts that other commands share: [`container`] runs an image, [`context`]
//! and [`copy`] turn files into values and values into layers, [`why`] explains.

pub mod bases;
pub mod build;
pub mod container;
pub mod context;
pub mod copy;
pub mod differences;
pub mod error;
pub mod events;
pub mod export;
pub mod files;
pub mod host_files;
pub mod image;
pub mod journal;
mod mask;
pub mod owner;
pub mod process_user;
pub mod pull;
pub mod request;
mod resolve;
pub mod rooted;
mod secret_scan;
pub mod site;
mod solve;
pub mod why;
pub mod world;
