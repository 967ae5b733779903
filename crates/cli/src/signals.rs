//! SIGINT and SIGTERM, as events.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, from [`listen`](Self::listen) on; they no longer end the program by themselves.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// What a shell calls the exit code of a program that a signal ended: 128 and the signal's number.
pub(crate) type ExitNumber = u8;

impl Signals {
    /// # Errors
    /// When the operating system refuses the handlers.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next signal, as the exit code it stands for: 130 for SIGINT, 143 for SIGTERM.
    pub(crate) async fn next(&mut self) -> ExitNumber {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}
