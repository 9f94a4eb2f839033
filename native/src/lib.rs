//! The native evaluation engine of `flipt-client-effect`: it compiles Flipt's flag state and evaluates it, behind a C
//! ABI of plain numbers and buffers.
//!
//! `document` and `seed` read the two forms of a flag state into [`definition`]s, and [`json`] locates errors in them.
//! [`compile`] prepares the definitions for evaluation, and [`evaluate`] evaluates a [`request`]. `registry` and
//! [`compilation`] hold the values behind the ABI's handles. [`ffi`] is the ABI and contains all unsafe code; [`abi`]
//! has its numbers.

#![deny(unsafe_code)]
#![warn(clippy::pedantic)]

pub mod abi;
pub mod audience;
pub mod compilation;
pub mod compile;
mod constraint;
mod de;
pub mod definition;
mod document;
pub mod evaluate;
mod fingerprint;
mod intern;
pub mod json;
pub mod outcomes;
mod registry;
pub mod request;
mod second_thread;
mod seed;
pub mod snapshot;

#[allow(unsafe_code, reason = "the C ABI: only here do raw pointers become slices")]
pub mod ffi;
