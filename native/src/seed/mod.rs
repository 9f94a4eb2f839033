//! The seed: the JSON by which the official clients hand a flag state to each other. It is the state as their engine
//! keeps it, so rules and rollouts stand in maps by flag, and segments in maps by key.

mod read;
mod write;

pub use read::read;
pub use write::write;

const VERSION: u8 = 1;
