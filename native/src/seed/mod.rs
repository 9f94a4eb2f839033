//! Seeds: the serialized flag state that the official clients exchange. A seed mirrors the state inside their engine: rules
//! and rollouts are in maps keyed by flag, segments in maps keyed by segment.

mod read;
mod write;

pub use read::read;
pub use write::write;

const VERSION: u8 = 1;
