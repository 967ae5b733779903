//! Drains: a service answers everything it has accepted and exits with 0. A second signal ends it
//! at once.

mod coordinator;
mod layers;
