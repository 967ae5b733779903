//! The decisions of the services. Each function moves where they decide, and the next decision is
//! about the function there.

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use strata_domain::{Catalogue, Placement};
use strata_load::{Stream, decide_request, run_stream};
use strata_simulator::{Decided, DecisionPoint, Environment, ReplayRequest};
use strata_wire::{
    Violations, pb, pb::decide_stream_response::Result as Answer, placement_from_pb,
};

use crate::report::subject::Subject;

const IN_FLIGHT: usize = 256;

/// Asks the services for every decision about every function of the scope, round by round.
///
/// # Errors
/// When the services cannot be reached, or refuse a decision.
pub(super) async fn ask(
    subject: &Subject,
    endpoint: &str,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Decided>> {
    let Subject { world, scope, objective, .. } = subject;
    let mut open: Vec<Environment<'_>> = Vec::new();
    for function in world.deciding(*scope) {
        let mut environment = Environment::new(world, *scope, *objective);
        if environment.reset(function) {
            open.push(environment);
        }
    }
    bar.set_message("decisions");
    bar.set_length(open.iter().map(|environment| environment.remaining() as u64).sum());
    bar.reset();
    let stream = Stream { endpoint: endpoint.to_owned(), in_flight: IN_FLIGHT };
    let mut decided = Vec::new();
    loop {
        open.retain(|environment| environment.remaining() > 0);
        if open.is_empty() {
            break;
        }
        let points: Vec<DecisionPoint> = open.iter().filter_map(Environment::observe).collect();
        let requests: Vec<pb::DecideRequest> = points
            .iter()
            .map(|point| ReplayRequest::new(world, point.clone()))
            .map(|request| Some(decide_request(world.catalogue(), &request?)))
            .collect::<Option<_>>()
            .context("a decision about a function that is not in the trace")?;
        let answers = round(&stream, requests, (world.catalogue(), bar)).await?;
        for ((environment, point), placement) in open.iter_mut().zip(&points).zip(answers) {
            if let Some(outcome) = environment.step(placement) {
                decided.push(Decided { function: point.function, outcome });
            }
        }
    }
    // The sort is stable: the decisions of a function stay in the order of time.
    decided.sort_by_key(|decided| decided.function);
    Ok(decided)
}

/// One decision about each open function.
async fn round(
    stream: &Stream,
    requests: Vec<pb::DecideRequest>,
    (catalogue, bar): (&Catalogue, &ProgressBar),
) -> anyhow::Result<Vec<Placement>> {
    let mut answers: Vec<Result<Placement, String>> =
        vec![Err("no answer came".to_owned()); requests.len()];
    run_stream(stream, requests.into_iter(), |number, _, result| {
        answers[number] = match result {
            Answer::Decision(response) => placed(catalogue, &response),
            Answer::Fault(fault) => {
                Err(format!("{}: {}", fault.kind().as_str_name(), fault.message))
            }
        };
        bar.inc(1);
    })
    .await?;
    let asked = answers.len();
    let faults = answers.iter().filter(|answer| answer.is_err()).count();
    let placements: Result<Vec<Placement>, String> = answers.into_iter().collect();
    match placements {
        Ok(placements) => Ok(placements),
        Err(first) => bail!("{faults} of {asked} decisions were not made; the first: {first}"),
    }
}

fn placed(catalogue: &Catalogue, response: &pb::DecideResponse) -> Result<Placement, String> {
    let answered = response.placement.as_ref().ok_or("a decision without placement")?;
    let mut violations = Violations::default();
    placement_from_pb(catalogue, answered, "placement", &mut violations)
        .ok_or_else(|| "a decision for an invalid placement".to_owned())
}
