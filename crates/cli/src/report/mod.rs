//! The report on a trace: the decisions and forecasts of the services, judged against baselines.

mod answers;
mod page;
mod results;
mod subject;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub(crate) use self::{
    answers::ask,
    page::write,
    results::{headline, judge},
    subject::Subject,
};
