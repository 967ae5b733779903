//! A program at a terminal: its command, durations in flags, signals, lines and tables.
//!
//! This crate knows nothing of Strata: no address, no message, no service.

mod columns;
mod command;
mod duration_flag;
mod lines;
mod signals;

pub use columns::{number_columns, text_columns};
pub use command::run_command;
pub use duration_flag::parse_duration;
pub use lines::{note, say};
pub use signals::{ExitNumber, Signals};
