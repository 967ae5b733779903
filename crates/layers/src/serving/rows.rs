//! The rows of a frame: grouped by the version that answers each, run, and decoded.

use std::{sync::Arc, time::Instant};

use futures_util::future::join_all;
use strata_domain::FaultKind;
use strata_runtime::{Batch, Inference};
use strata_wire::{Fault, Hop};
use tracing::Span;

use super::faults;
use crate::{
    adapter::{Adapter, LayerRequest, LayerResponse},
    models::{AnsweredRow, Report, Snapshot, Source, Version, key_of, outputs_of},
};

/// Rows on their way to the versions that answer them.
pub(crate) struct RowsByVersion<'s, A: Adapter> {
    snapshot: &'s Snapshot<A>,
    groups: Vec<Group<A>>,
}

/// The rows of one version.
struct Group<A> {
    version: Arc<Version<A>>,
    input: Vec<f32>,
    deadlines: Vec<Option<Instant>>,
}

/// Where the output of a row is found, and how it is decoded.
pub(crate) struct RowRef<A: Adapter> {
    group: usize,
    row: usize,
    context: A::Context,
    /// The request as it came, if shadows shall run it too.
    kept: Option<LayerRequest<A>>,
}

impl<'s, A: Adapter> RowsByVersion<'s, A> {
    /// No rows yet.
    pub(crate) fn new(snapshot: &'s Snapshot<A>) -> Self {
        Self { snapshot, groups: Vec::with_capacity(1) }
    }

    /// Binds a row to a version, and has that version's adapter check and encode it.
    pub(crate) fn push(
        &mut self,
        request: LayerRequest<A>,
        deadline: Option<Instant>,
    ) -> Result<RowRef<A>, Fault> {
        let group = self.group_of(&request)?;
        let number = self.groups[group].version.number;
        // A version that a row is pinned to may be in the shadow as well, where it has nothing to
        // be compared with.
        let compared = self.snapshot.shadows().iter().any(|shadow| shadow.number != number);
        let kept = compared.then(|| request.clone());
        let Group { version, input, deadlines } = &mut self.groups[group];
        let context = version.adapter.encode(request, input)?;
        deadlines.push(deadline);
        Ok(RowRef { group, row: deadlines.len() - 1, context, kept })
    }

    /// The rows of the version that a question names, or falls to.
    fn group_of(&mut self, request: &LayerRequest<A>) -> Result<usize, Fault> {
        let version = match (A::Hop::model_version(request), self.snapshot.traffic().sole()) {
            (0, Some(_)) => self.snapshot.stable(),
            (0, None) => self.snapshot.version_for(self.key_of(request)?),
            (pinned, _) => self.loaded(pinned)?,
        };
        let found = self.groups.iter().position(|group| group.version.number == version.number);
        Ok(found.unwrap_or_else(|| {
            let version = Arc::clone(version);
            self.groups.push(Group { version, input: Vec::new(), deadlines: Vec::new() });
            self.groups.len() - 1
        }))
    }

    /// A version that must answer.
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

    /// The key of the function that asks; without one, a key made of the row that the stable
    /// version sees.
    fn key_of(&self, request: &LayerRequest<A>) -> Result<u64, Fault> {
        if let Some(key) = A::Hop::function_key(request) {
            return Ok(key);
        }
        let mut row = Vec::new();
        self.snapshot.stable().adapter.encode(request.clone(), &mut row)?;
        Ok(key_of(&row))
    }

    /// Runs every version on its rows, all of them at once. The frame arrived at `arrived`.
    pub(crate) async fn run(self, arrived: Instant, source: Source) -> Outputs<A> {
        Outputs(join_all(self.groups.into_iter().map(|group| group.run(arrived, source))).await)
    }
}

impl<A: Adapter> Group<A> {
    async fn run(self, arrived: Instant, source: Source) -> Run<A> {
        let Self { version, input, deadlines } = self;
        let rows = deadlines.len();
        let done = match rows {
            // Its rows were refused.
            0 => Err(Fault::new(FaultKind::Internal, "nothing was run")),
            _ => version
                .runner
                .run(Batch { rows, inputs: vec![input], deadlines }, source)
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

/// What the versions gave for the rows.
pub(crate) struct Outputs<A>(Vec<Run<A>>);

struct Run<A> {
    version: Arc<Version<A>>,
    /// The inference, and what is told of it.
    done: Result<(Inference, Report), Fault>,
}

impl<A: Adapter> Outputs<A> {
    /// The answer to one row, and what shadows need for a comparison with it, if there are any.
    /// Writes to the row's span.
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
        let outputs = outputs_of(inference, row);
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
