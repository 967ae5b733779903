//! Callers of every kind of method that is measured.

mod coordinator;
mod frames;
mod layer;
mod peer;

pub(crate) use coordinator::Decide;
pub(crate) use frames::{FramesLoad, run_frames};
pub(crate) use layer::{LayerMethods, Operational, Strategic, Tactical, Tensors, Unary};
pub(crate) use peer::{PeerGrpc, PeerHttp, PeerRow};
