//! SIGINT and SIGTERM, as events.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals. From [`listen`](Self::listen) on, neither ends the program by itself.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// The exit code of a program that a signal ended, as shells report it: 128 plus the signal number.
pub type ExitNumber = u8;

impl Signals {
    /// Installs the handlers of both signals.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal and returns its exit code: 130 for SIGINT, 143 for SIGTERM.
    pub async fn next(&mut self) -> ExitNumber {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}
