//! Groups the rows of a frame by the version that answers each, runs them and decodes the outputs.

use std::{sync::Arc, time::Instant};

use futures_util::future::join_all;
use strata_domain::FaultKind;
use strata_runtime::Inference;
use strata_wire::{Fault, Hop};
use tracing::Span;

use super::faults;
use crate::{
    adapter::{Adapter, LayerRequest, LayerResponse, RowInputs},
    models::{AnsweredRow, Report, Snapshot, Source, Version, key_of},
};

/// Rows grouped by the version that answers them.
pub(crate) struct RowsByVersion<'s, A: Adapter> {
    snapshot: &'s Snapshot<A>,
    groups: Vec<Group<A>>,
}

/// The rows of one version.
struct Group<A> {
    version: Arc<Version<A>>,
    inputs: RowInputs,
    deadlines: Vec<Option<Instant>>,
}

/// The position of a row's output, and the context for decoding it.
pub(crate) struct RowRef<A: Adapter> {
    group: usize,
    row: usize,
    context: A::Context,
    /// The request, if a shadow will run it as well.
    kept: Option<LayerRequest<A>>,
}

impl<'s, A: Adapter> RowsByVersion<'s, A> {
    /// Starts without rows.
    pub(crate) fn new(snapshot: &'s Snapshot<A>) -> Self {
        Self { snapshot, groups: Vec::with_capacity(1) }
    }

    /// Binds a row to a version, whose adapter checks and encodes it.
    pub(crate) fn push(
        &mut self,
        request: LayerRequest<A>,
        deadline: Option<Instant>,
    ) -> Result<RowRef<A>, Fault> {
        let group = self.group_of(&request)?;
        let number = self.groups[group].version.number;
        // A row may name a shadow version, which is not compared with itself.
        let compared = self.snapshot.shadows().iter().any(|shadow| shadow.number != number);
        let kept = compared.then(|| request.clone());
        let Group { version, inputs, deadlines } = &mut self.groups[group];
        let context = version.adapter.encode(request, inputs)?;
        deadlines.push(deadline);
        Ok(RowRef { group, row: deadlines.len() - 1, context, kept })
    }

    /// The group of the version that a request names, or that its key selects.
    fn group_of(&mut self, request: &LayerRequest<A>) -> Result<usize, Fault> {
        let version = match (A::Hop::model_version(request), self.snapshot.traffic().sole()) {
            (0, Some(_)) => self.snapshot.stable(),
            (0, None) => self.snapshot.version_for(self.key_of(request)?),
            (pinned, _) => self.loaded(pinned)?,
        };
        let found = self.groups.iter().position(|group| group.version.number == version.number);
        Ok(found.unwrap_or_else(|| {
            let version = Arc::clone(version);
            let inputs = RowInputs::of(version.manifest());
            self.groups.push(Group { version, inputs, deadlines: Vec::new() });
            self.groups.len() - 1
        }))
    }

    /// The version that a request names.
    fn loaded(&self, number: u32) -> Result<&'s Arc<Version<A>>, Fault> {
        let loaded = self.snapshot.loaded();
        loaded.get(&number).ok_or_else(|| {
            let numbers: Vec<_> = loaded.keys().map(u32::to_string).collect();
            let message = format!(
                "version {number} of the {} model is not loaded here, only {}; load it first",
                A::NAME,
                numbers.join(", ")
            );
            Fault::new(FaultKind::FailedPrecondition, message)
        })
    }

    /// The function key of a request; without one, a hash of the row that the stable version
    /// encodes.
    fn key_of(&self, request: &LayerRequest<A>) -> Result<u64, Fault> {
        if let Some(key) = A::Hop::function_key(request) {
            return Ok(key);
        }
        let stable = self.snapshot.stable();
        let mut row = RowInputs::of(stable.manifest());
        stable.adapter.encode(request.clone(), &mut row)?;
        Ok(key_of(row.buffers.iter().flatten()))
    }

    /// Runs all versions concurrently, each on its rows. The frame arrived at `arrived`.
    pub(crate) async fn run(self, arrived: Instant, source: Source) -> Outputs<A> {
        Outputs(join_all(self.groups.into_iter().map(|group| group.run(arrived, source))).await)
    }
}

impl<A: Adapter> Group<A> {
    async fn run(self, arrived: Instant, source: Source) -> Run<A> {
        let Self { version, inputs, deadlines } = self;
        let rows = deadlines.len();
        let done = match rows {
            // All rows of this version were refused.
            0 => Err(Fault::new(FaultKind::Internal, "nothing was run")),
            _ => version
                .runner
                .run(inputs.into_batch(rows, deadlines), source)
                .await
                .map_err(|error| faults::of(&error)),
        };
        let done = done.map(|inference| {
            let report = version.runner.report(&inference, arrived);
            (inference, report)
        });
        Run { version, done }
    }
}

/// The results of all versions.
pub(crate) struct Outputs<A>(Vec<Run<A>>);

struct Run<A> {
    version: Arc<Version<A>>,
    /// The inference and its report.
    done: Result<(Inference, Report), Fault>,
}

impl<A: Adapter> Outputs<A> {
    /// Decodes the answer to one row and, if shadows will run the row, the data for their
    /// comparison. Writes the report to the row's span.
    pub(crate) fn answer(
        &self,
        row_ref: RowRef<A>,
        span: &Span,
    ) -> Result<(LayerResponse<A>, Option<AnsweredRow<A>>), Fault> {
        let RowRef { group, row, context, kept } = row_ref;
        let Run { version, done } = &self.0[group];
        let (inference, report) = done.as_ref().map_err(Clone::clone)?;
        report.annotate(A::NAME, span);
        faults::check(inference.rows.get(row))?;
        let outputs: Vec<_> = inference.row(row).collect();
        let answer = version.adapter.decode(&context, &outputs, report.clone().into())?;
        let answered = kept.map(|request| AnsweredRow {
            request,
            version: version.number,
            answer: answer.clone(),
            scores: version.adapter.scores(&outputs),
        });
        Ok((answer, answered))
    }
}
