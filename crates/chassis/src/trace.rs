//! W3C trace context, in and out of requests and of rows in a frame.
//!
//! A span of a request has the target [`TRACE_TARGET`]:
//!
//! ```
//! use strata_chassis::trace::{self, RemoteContext, TRACE_TARGET};
//!
//! let caller = RemoteContext::from_pair(
//!     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
//!     "",
//! );
//! let span = tracing::info_span!(target: TRACE_TARGET, "place", otel.kind = "server");
//! trace::set_parent(&span, &caller);
//! trace::record(&span, "batch.size", 16);
//! // What the next hop is told: this span if there is tracing here, else what the caller sent.
//! let next = trace::context_of(&span).or(caller);
//! assert!(next.traceparent().is_some());
//! ```
//!
//! Without a collector such spans are switched off and every function here does nothing.

use std::fmt;

use opentelemetry::{
    Context, Value,
    trace::{
        SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId as OtelTraceId,
        TraceState,
    },
};
use tonic::metadata::{MetadataMap, MetadataValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of spans that are exported. Spans with any other target are for logs only.
pub const TRACE_TARGET: &str = "strata::trace";

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The specification asks for at least 512 characters to be passed on; longer ones are dropped.
const MAX_TRACESTATE: usize = 1024;

/// Whether spans of requests are made at all, that is, whether there is a collector.
#[must_use]
pub fn enabled() -> bool {
    tracing::enabled!(target: TRACE_TARGET, tracing::Level::INFO)
}

/// The place in a trace that somebody else's message names, or no place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RemoteContext {
    span: Option<SpanContext>,
}

/// A trace's id; its `Display` is the 32 hexadecimal digits that logs and trace stores use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(OtelTraceId);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl RemoteContext {
    /// Reads the `traceparent` and `tracestate` of a call. As W3C Trace Context says, a
    /// `traceparent` that is malformed or there twice counts as none, and a malformed `tracestate`
    /// is dropped alone.
    #[must_use]
    pub fn from_metadata(metadata: &MetadataMap) -> Self {
        let mut parents = metadata.get_all(TRACEPARENT).iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else {
            return Self::default();
        };
        let Ok(parent) = parent.to_str() else { return Self::default() };
        let mut states = metadata.get_all(TRACESTATE).iter().filter_map(|s| s.to_str().ok());
        match (states.next(), states.next()) {
            (None, _) => Self::from_pair(parent, ""),
            (Some(state), None) => Self::from_pair(parent, state),
            // Several headers are one list that was split.
            (Some(first), Some(second)) => {
                let list: Vec<&str> = [first, second].into_iter().chain(states).collect();
                Self::from_pair(parent, &list.join(","))
            }
        }
    }

    /// Reads a `traceparent` and a `tracestate` (or an empty string) that came as plain text.
    #[must_use]
    pub fn from_pair(traceparent: &str, tracestate: &str) -> Self {
        let span = parse_traceparent(traceparent).map(|(trace, parent, flags)| {
            SpanContext::new(trace, parent, flags, true, parse_tracestate(tracestate))
        });
        Self { span }
    }

    /// This context, or `other` if this one is no place in a trace.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.span.is_some() { self } else { other }
    }

    /// The trace, for the `trace_id` field of log lines.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.span.as_ref().map(|span| TraceId(span.trace_id()))
    }

    /// Whether the trace is being kept.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.span.as_ref().is_some_and(SpanContext::is_sampled)
    }

    /// The `traceparent` to send on. There is one for a trace that is not kept as well: it tells
    /// the next hop not to start a trace of its own.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.span.as_ref().map(|span| {
            let sampled = u8::from(span.is_sampled());
            format!("00-{}-{}-{sampled:02x}", span.trace_id(), span.span_id())
        })
    }

    /// The `tracestate` to send on, if it says anything.
    #[must_use]
    pub fn tracestate(&self) -> Option<String> {
        let state = self.span.as_ref()?.trace_state().header();
        (!state.is_empty()).then_some(state)
    }

    /// Puts the context into the metadata of a call to the next hop.
    pub fn inject(&self, metadata: &mut MetadataMap) {
        for (name, value) in [(TRACEPARENT, self.traceparent()), (TRACESTATE, self.tracestate())] {
            if let Some(value) = value.and_then(|value| MetadataValue::try_from(value).ok()) {
                metadata.insert(name, value);
            }
        }
    }
}

/// Makes `span` a child of the remote place. Call it before the span is entered or asked for its
/// context; afterwards the span has started and the call changes nothing.
pub fn set_parent(span: &Span, remote: &RemoteContext) {
    if span.is_disabled() {
        return;
    }
    if let Some(parent) = &remote.span {
        // The only errors are a span that has started, which is the caller's documented duty, and
        // a span without tracing, which has no parent to set.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent.clone()));
    }
}

/// The place of `span` in its trace, to be sent to the next hop. No place if tracing is off.
#[must_use]
pub fn context_of(span: &Span) -> RemoteContext {
    if span.is_disabled() {
        return RemoteContext::default();
    }
    let context = span.context().span().span_context().clone();
    RemoteContext { span: context.is_valid().then_some(context) }
}

/// Gives `span` an attribute that became known after it was made.
pub fn record(span: &Span, key: &'static str, value: impl Into<Value>) {
    if !span.is_disabled() {
        span.set_attribute(key, value);
    }
}

/// Marks `span` as failed, with the reason.
pub fn fail(span: &Span, reason: &str) {
    if !span.is_disabled() {
        span.set_status(Status::error(reason.to_owned()));
    }
}

/// `version "-" trace-id "-" parent-id "-" trace-flags`, W3C Trace Context section 3.2: lower-case
/// hexadecimal, ids not all zero, version ff forbidden, later versions may append fields.
fn parse_traceparent(text: &str) -> Option<(OtelTraceId, SpanId, TraceFlags)> {
    const LENGTH: usize = 55;
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let mut fields = known.split('-');
    let version = u8::from_str_radix(hex(fields.next()?, 2)?, 16).ok()?;
    let trace = u128::from_str_radix(hex(fields.next()?, 32)?, 16).ok()?;
    let parent = u64::from_str_radix(hex(fields.next()?, 16)?, 16).ok()?;
    let flags = u8::from_str_radix(hex(fields.next()?, 2)?, 16).ok()?;
    let whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    if !whole || trace == 0 || parent == 0 {
        return None;
    }
    // Only the sampled flag has a meaning in version 00; unknown flags are not passed on.
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    Some((OtelTraceId::from(trace), SpanId::from(parent), flags))
}

/// `text` if it is exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<&str> {
    let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (text.len() == digits && text.bytes().all(lower_hex)).then_some(text)
}

/// A list of `key=value` members, W3C Trace Context section 3.3. One malformed member, a 33rd, or
/// more characters than anyone has to pass on, and there is no state.
fn parse_tracestate(text: &str) -> TraceState {
    const MAX_MEMBERS: usize = 32;
    if text.len() > MAX_TRACESTATE {
        return TraceState::NONE;
    }
    let members: Option<Vec<(&str, &str)>> = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .map(|member| {
            member.split_once('=').filter(|(key, value)| is_state_key(key) && is_state_value(value))
        })
        .collect();
    match members {
        Some(members) if members.len() <= MAX_MEMBERS => {
            TraceState::from_key_value(members).unwrap_or(TraceState::NONE)
        }
        _ => TraceState::NONE,
    }
}

fn is_state_key(key: &str) -> bool {
    let first = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = |b: u8| first(&b) || b"_-*/@".contains(&b);
    key.len() <= 256 && key.as_bytes().first().is_some_and(first) && key.bytes().all(rest)
}

fn is_state_value(value: &str) -> bool {
    let printable = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(printable)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const KEPT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(traceparent: &str) -> Option<String> {
        RemoteContext::from_pair(traceparent, "").traceparent()
    }

    #[test]
    fn a_context_survives_the_round_trip() {
        let context = RemoteContext::from_pair(KEPT, "vendor=a , ,other=b");
        assert_eq!(context.traceparent().as_deref(), Some(KEPT));
        assert_eq!(context.tracestate().as_deref(), Some("vendor=a,other=b"));
        assert_eq!(context.trace_id().unwrap().to_string(), TRACE);
        assert!(context.is_sampled());
        let mut metadata = MetadataMap::new();
        context.inject(&mut metadata);
        assert_eq!(RemoteContext::from_metadata(&metadata), context);
    }

    #[test]
    fn a_trace_that_is_not_kept_is_passed_on_as_such() {
        let dropped = KEPT.replace("-01", "-00");
        let context = RemoteContext::from_pair(&dropped, "");
        assert!(!context.is_sampled());
        assert_eq!(context.traceparent(), Some(dropped));
        assert_eq!(context.tracestate(), None);
    }

    #[test]
    fn later_versions_are_read_as_far_as_known() {
        assert_eq!(read(&KEPT.replacen("00", "01", 1)).as_deref(), Some(KEPT));
        assert_eq!(read(&format!("01{}-more", &KEPT[2..])).as_deref(), Some(KEPT));
        // Flags nobody knows yet are not passed on.
        assert_eq!(read(&KEPT.replace("-01", "-ff")).as_deref(), Some(KEPT));
    }

    #[test]
    fn malformed_contexts_are_no_contexts() {
        for text in [
            "",
            "00",
            TRACE,
            &KEPT[1..],
            &KEPT[..54],
            &format!("{KEPT}-"),
            &format!("{KEPT}0"),
            &format!("01{}0", &KEPT[2..]),
            &format!("ff{}", &KEPT[2..]),
            &format!("0x{}", &KEPT[2..]),
            &format!(" {}", &KEPT[1..]),
            &KEPT.replace('b', "B"),
            &KEPT.replace('b', "g"),
            &KEPT.replace('-', "_"),
            &KEPT.replace(TRACE, &"0".repeat(32)),
            &KEPT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &"é".repeat(28),
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_malformed_state_is_dropped_alone() {
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        for state in [
            "=",
            "a=",
            "=b",
            "no-value",
            "Key=1",
            "Ä=1",
            "a=ä",
            "a=1,b",
            "a=1=2",
            &many.join(","),
            &format!("a={}", "x".repeat(257)),
            &format!("a=1,b={}", "x".repeat(MAX_TRACESTATE)),
        ] {
            let context = RemoteContext::from_pair(KEPT, state);
            assert_eq!(context.traceparent().as_deref(), Some(KEPT), "{state:?}");
            assert_eq!(context.tracestate(), None, "{state:?}");
        }
    }

    #[test]
    fn two_parents_are_none_and_two_states_are_one_list() {
        let mut metadata = MetadataMap::new();
        metadata.append(TRACEPARENT, KEPT.parse().unwrap());
        metadata.append(TRACESTATE, "a=1".parse().unwrap());
        metadata.append(TRACESTATE, "b=2".parse().unwrap());
        let context = RemoteContext::from_metadata(&metadata);
        assert_eq!(context.tracestate().as_deref(), Some("a=1,b=2"));
        metadata.append(TRACEPARENT, KEPT.parse().unwrap());
        assert_eq!(RemoteContext::from_metadata(&metadata), RemoteContext::default());
    }

    #[test]
    fn without_tracing_the_callers_context_is_what_goes_on() {
        let span = tracing::info_span!(target: TRACE_TARGET, "nothing");
        let caller = RemoteContext::from_pair(KEPT, "");
        set_parent(&span, &caller);
        record(&span, "key", 1);
        fail(&span, "reason");
        assert!(!enabled() && span.is_disabled());
        assert_eq!(context_of(&span), RemoteContext::default());
        assert_eq!(context_of(&span).or(caller.clone()), caller);
    }
}
