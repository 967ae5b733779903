//! Policies that place functions in a world, and how well they do.

mod baselines;
mod environment;
mod evaluate;
mod oracle;

pub use self::{
    baselines::{
        BestFixed, Greedy, OneStepModel, PatientModel, RandomPlacement, RoundRobin, StayPut,
        baselines,
    },
    environment::{DecisionPoint, Environment},
    evaluate::{Decided, Evaluation, PlacementPolicy, Report, evaluate},
    oracle::Oracle,
};
