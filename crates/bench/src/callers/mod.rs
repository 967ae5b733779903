//! Callers of every kind of method that is measured.

mod coordinator;
mod frames;
mod layer;
mod peer;

pub(crate) use coordinator::Decide;
pub(crate) use frames::{FramesLoad, run_frames};
pub(crate) use layer::{Tensors, Unary, UnaryMethod};
pub(crate) use peer::{PeerGrpc, PeerHttp, PeerRow};
