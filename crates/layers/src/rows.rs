//! The rows of a frame, sorted by the version that answers each, run, and read.

use std::{sync::Arc, time::Instant};

use futures_util::future::join_all;
use strata_domain::FaultKind;
use strata_runtime::{Batch, Inference, RowStatus};
use strata_wire::Fault;
use tracing::Span;

use crate::{
    adapter::Adapter,
    engine::{expired, fault_of},
    runner::{Company, Report, outputs_of},
    versions::{Table, Version, Witness, key_of},
};

/// Rows on their way to the versions that answer them.
pub(crate) struct Sorted<'t, A: Adapter> {
    table: &'t Table<A>,
    groups: Vec<Group<A>>,
}

/// The rows of one version.
struct Group<A> {
    version: Arc<Version<A>>,
    input: Vec<f32>,
    deadlines: Vec<Option<Instant>>,
}

/// Where a row that was read is found.
pub(crate) struct Seat<A: Adapter> {
    group: usize,
    row: usize,
    question: A::Question,
    /// The question as it came, if shadows shall run it too.
    kept: Option<A::Request>,
}

impl<'t, A: Adapter> Sorted<'t, A> {
    /// No rows yet.
    pub(crate) fn by(table: &'t Table<A>) -> Self {
        Self { table, groups: Vec::with_capacity(1) }
    }

    /// Binds a row to a version, and has that version's adapter check and encode it.
    pub(crate) fn read(
        &mut self,
        request: A::Request,
        deadline: Option<Instant>,
    ) -> Result<Seat<A>, Fault> {
        let group = self.group_of(&request)?;
        let number = self.groups[group].version.number;
        // A version that a row is pinned to may be in the shadow as well, where it has nothing to be compared with.
        let compared = self.table.shadows().iter().any(|shadow| shadow.number != number);
        let kept = compared.then(|| request.clone());
        let Group { version, input, deadlines } = &mut self.groups[group];
        let question = version.adapter.read(request, input)?;
        deadlines.push(deadline);
        Ok(Seat { group, row: deadlines.len() - 1, question, kept })
    }

    /// The rows of the version that a question names, or falls to.
    fn group_of(&mut self, request: &A::Request) -> Result<usize, Fault> {
        let version = match (A::pinned(request), self.table.traffic().sole()) {
            (0, Some(_)) => self.table.stable(),
            (0, None) => self.table.version_for(self.key_of(request)?),
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
    fn loaded(&self, number: u32) -> Result<&'t Arc<Version<A>>, Fault> {
        let loaded = self.table.loaded();
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

    /// The key of the function that asks; without one, a key made of the row that the stable version sees.
    fn key_of(&self, request: &A::Request) -> Result<u64, Fault> {
        if let Some(key) = A::key(request) {
            return Ok(key);
        }
        let mut row = Vec::new();
        self.table.stable().adapter.read(request.clone(), &mut row)?;
        Ok(key_of(&row))
    }

    /// Runs every version on its rows, all of them at once. The frame arrived at `arrived`.
    pub(crate) async fn run(self, arrived: Instant, company: Company) -> Runs<A> {
        Runs(join_all(self.groups.into_iter().map(|group| group.run(arrived, company))).await)
    }
}

impl<A: Adapter> Group<A> {
    async fn run(self, arrived: Instant, company: Company) -> Run<A> {
        let Self { version, input, deadlines } = self;
        let rows = deadlines.len();
        let done = match rows {
            // Its rows were refused.
            0 => Err(Fault::new(FaultKind::Internal, "nothing was run")),
            _ => version
                .runner
                .run(Batch { rows, inputs: vec![input], deadlines }, company)
                .await
                .map_err(|error| fault_of(&error)),
        };
        let done = done.map(|inference| {
            let report = version.runner.report(&inference, arrived);
            (inference, report)
        });
        Run { version, done }
    }
}

/// What became of the rows.
pub(crate) struct Runs<A>(Vec<Run<A>>);

struct Run<A> {
    version: Arc<Version<A>>,
    /// The inference, and what is told of it.
    done: Result<(Inference, Report), Fault>,
}

impl<A: Adapter> Runs<A> {
    /// The answer to one row, and what shadows need for a comparison with it, if there are any. Writes to the row's span.
    pub(crate) fn answer(
        &self,
        seat: Seat<A>,
        span: &Span,
    ) -> Result<(A::Response, Option<Witness<A>>), Fault> {
        let Seat { group, row, question, kept } = seat;
        let Run { version, done } = &self.0[group];
        let (inference, report) = done.as_ref().map_err(Clone::clone)?;
        report.annotate(A::NAME, span);
        check(inference.rows.get(row))?;
        let outputs = outputs_of(inference, row);
        let answer = version.adapter.answer(&question, &outputs, report.clone().into())?;
        let witness = kept.map(|request| Witness {
            request,
            version: version.number,
            answer: answer.clone(),
            scores: version.adapter.scores(&outputs),
        });
        Ok((answer, witness))
    }
}

fn check(status: Option<&RowStatus>) -> Result<(), Fault> {
    match status {
        Some(RowStatus::Done) => Ok(()),
        Some(RowStatus::Expired) => Err(expired()),
        Some(RowStatus::NonFinite) => {
            let message = "the model gave a number that is not finite";
            Err(Fault::new(FaultKind::Internal, message))
        }
        None => Err(Fault::new(FaultKind::Internal, "the model gave too few rows")),
    }
}
