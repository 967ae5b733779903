//! Generated from `proto/strata/v1`; the documentation of every field is there.
#![allow(missing_docs, unreachable_pub, rust_2018_idioms, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/strata.v1.rs"));
