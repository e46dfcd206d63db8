//! galley.
mod ui;
fn main() {}
