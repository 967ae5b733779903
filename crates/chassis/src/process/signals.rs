//! SIGTERM and SIGINT: the first starts the drain, the second ends the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::drain::Drain;

/// Listens from now on. A shell calls "killed by signal n" exit code 128 + n; the second signal
/// exits with that, so 130 for SIGINT and 143 for SIGTERM.
///
/// # Errors
/// When the operating system refuses the handlers.
pub(super) fn listen(drain: Drain) -> std::io::Result<()> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    tokio::spawn(async move {
        let (name, _) = signals.next().await;
        tracing::info!(signal = name, grace = ?drain.remaining(), "draining");
        drain.start();
        let (name, number) = signals.next().await;
        tracing::warn!(signal = name, in_flight = drain.in_flight(), "second signal, exiting now");
        std::process::exit(128 + number);
    });
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        }
    }
}
