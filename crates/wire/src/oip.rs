//! Generated from `proto/inference`, the Open Inference Protocol; the documentation of every field
//! is there.
#![allow(missing_docs, unreachable_pub, rust_2018_idioms, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/inference.rs"));
