//! One call to each of several servers, in turn.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use strata_load::{Refusal, channel};
use strata_terminal::note;
use tonic::{Status, transport::Channel};

/// Calls the server at each endpoint and passes its answer to `show`. A server that refuses or does
/// not answer within `timeout` is noted and makes the exit code 1; the others are called all the
/// same.
///
/// # Errors
/// Those of `show`.
pub(super) async fn each_endpoint<A>(
    endpoints: &[String],
    timeout: Duration,
    call: impl AsyncFn(Channel) -> Result<A, Status>,
    mut show: impl FnMut(A) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for endpoint in endpoints {
        let answer = async {
            tokio::time::timeout(timeout, call(channel(endpoint)?))
                .await
                .with_context(|| format!("{endpoint} does not answer"))?
                .map_err(Refusal::of)
                .with_context(|| format!("{endpoint} refuses"))
        };
        match answer.await {
            Ok(answer) => show(answer)?,
            Err(error) => {
                note(format_args!("strata: {error:#}"));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
