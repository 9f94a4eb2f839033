//! The native evaluation engine of `flipt-client-effect`: it compiles Flipt's flag state and evaluates it, behind a C
//! ABI of plain numbers and buffers.
//!
//! The way through the modules: `document` and `seed` read the two forms of a flag state into [`definition`]s,
//! with [`json`] to find what is wrong in a text; [`compile`] prepares them; [`evaluate`] answers a [`request`].
//! `registry` and [`job`] keep what the ABI hands out, and [`ffi`] is the ABI, with all the unsafe code there is.

#![deny(unsafe_code)]
#![warn(clippy::pedantic)]

pub mod audience;
pub mod code;
pub mod compile;
mod constraint;
pub mod definition;
pub mod describe;
mod document;
pub mod evaluate;
mod fields;
mod fingerprint;
pub mod job;
pub mod json;
mod pool;
mod registry;
pub mod request;
mod seed;
pub mod snapshot;

#[allow(unsafe_code, reason = "the C ABI: raw pointers become slices here, and nowhere else")]
pub mod ffi;
