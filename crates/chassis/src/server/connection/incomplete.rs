//! Incomplete requests: bounded in bytes and in time.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::sleep;
use tonic::Status;

use crate::{
    config::{FRAMING_BYTES, GrpcConfig},
    drain::Drain,
    report::BoxError,
};

/// All connections together may hold so many times what one of them may hold.
const CONNECTIONS: usize = 4;
/// A connection that holds no more than this is not refused for what others hold: it is what one
/// HTTP/2 frame brings.
const SMALL: usize = 128 << 10;

/// Bytes that all connections hold of incomplete messages, and the bounds.
#[derive(Debug)]
pub(crate) struct Ledger {
    held: AtomicUsize,
    each: usize,
    time: Duration,
    drain: Drain,
}

impl Ledger {
    pub(crate) fn new(config: &GrpcConfig, drain: Drain) -> Self {
        let (each, time) = (config.unfinished_bytes(), config.message_timeout);
        Self { held: AtomicUsize::new(0), each, time, drain }
    }
}

/// Bytes that a connection holds of incomplete messages.
#[derive(Debug)]
pub(super) struct Account {
    held: AtomicUsize,
    all: Arc<Ledger>,
}

impl Account {
    pub(super) fn open(all: &Arc<Ledger>) -> Self {
        Self { held: AtomicUsize::new(0), all: Arc::clone(all) }
    }

    fn add(&self, bytes: usize) -> Result<(), Status> {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.all.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let each = self.all.each;
        if held > each {
            return Err(Status::resource_exhausted(format!(
                "a connection may hold {each} bytes of messages that have not ended \
                 (grpc.max_unfinished_bytes); end some before others begin"
            )));
        }
        if held > SMALL && all > each.saturating_mul(CONNECTIONS) {
            return Err(Status::resource_exhausted(
                "connections hold too much of messages that have not ended; try again",
            ));
        }
        Ok(())
    }

    fn remove(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.all.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Completes with the refusal when the rest of the request should have come.
type Timer = Pin<Box<dyn Future<Output = Status> + Send>>;

/// The body of a request. It ends with an error when it is incomplete and too large, or incomplete
/// for too long.
pub(super) struct Bounded<B> {
    body: B,
    /// Where in its messages a stream is. A unary request is one message, and complete only when
    /// its stream has ended.
    framing: Option<Framing>,
    account: Arc<Account>,
    /// What stands in the account for this body until it is dropped: a stream keeps the room that
    /// its largest message needed.
    held: usize,
    /// Runs while the rest of a request is missing.
    timer: Option<Timer>,
}

impl<B> Bounded<B> {
    pub(super) fn new(body: B, is_unary: bool, account: Arc<Account>) -> Self {
        let framing = (!is_unary).then(Framing::default);
        Self { body, framing, account, held: 0, timer: None }
    }

    /// Accounts for data after which more must come.
    fn take(&mut self, data: &[u8]) -> Result<(), Status> {
        let holds = match &mut self.framing {
            None => self.held + data.len(),
            Some(framing) => {
                if framing.follow(data) {
                    self.timer = None;
                }
                framing.incomplete()
            }
        };
        let more = holds.saturating_sub(self.held);
        self.held += more;
        if more > 0 { self.account.add(more) } else { Ok(()) }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if self.framing.as_ref().is_some_and(|framing| framing.incomplete() == 0) {
            return Poll::Pending;
        }
        let Ledger { time, drain, .. } = &*self.account.all;
        let timer = self.timer.get_or_insert_with(|| Box::pin(late(*time, drain.clone())));
        timer.as_mut().poll(cx)
    }
}

/// Completes after `time`, or when the process drains and the caller has had two seconds to end the
/// request.
async fn late(time: Duration, drain: Drain) -> Status {
    tokio::select! {
        () = sleep(time) => Status::deadline_exceeded(format!(
            "a message, and a unary request, must end within {time:?} (grpc.message_timeout)"
        )),
        () = drain.patience() => {
            Status::unavailable("the server is shutting down, and the request has not ended")
        }
    }
}

impl<B> Drop for Bounded<B> {
    fn drop(&mut self) {
        if self.held > 0 {
            self.account.remove(self.held);
        }
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let taken = match frame.data_ref() {
                    Some(data) if !self.body.is_end_stream() => self.take(data),
                    _ => Ok(()),
                };
                Poll::Ready(Some(taken.map(|()| frame).map_err(Into::into)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.poll_late(cx).map(|status| Some(Err(status.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Where in a message the data is, by gRPC's framing: a byte of flags, four bytes of length in
/// network order, and the message.
#[derive(Debug, Default)]
struct Framing {
    /// Bytes of the prefix so far.
    prefix: usize,
    length: usize,
    /// Bytes of the message so far.
    got: usize,
}

impl Framing {
    /// Follows the next piece of data. Returns whether a message ended in it.
    fn follow(&mut self, mut data: &[u8]) -> bool {
        let mut ended = false;
        while let Some((&first, rest)) = data.split_first() {
            if self.prefix < FRAMING_BYTES {
                if self.prefix > 0 {
                    self.length = self.length << 8 | usize::from(first);
                }
                self.prefix += 1;
                data = rest;
            } else {
                let more = (self.length - self.got).min(data.len());
                self.got += more;
                data = &data[more..];
            }
            if self.prefix == FRAMING_BYTES && self.got == self.length {
                *self = Self::default();
                ended = true;
            }
        }
        ended
    }

    /// Bytes of the message that has not ended.
    fn incomplete(&self) -> usize {
        self.prefix + self.got
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        bytes.resize(FRAMING_BYTES + length, 7);
        bytes
    }

    #[test]
    fn what_is_incomplete_is_what_came_since_the_last_end() {
        let mut framing = Framing::default();
        assert!(!framing.follow(&message(300)[..200]));
        assert_eq!(framing.incomplete(), 200);
        assert!(framing.follow(&message(300)[200..]));
        assert_eq!(framing.incomplete(), 0);
        assert!(framing.follow(&[message(0), message(2), vec![0, 0]].concat()));
        assert_eq!(framing.incomplete(), 2);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_what_pieces_data_comes(
            lengths in prop::collection::vec(0..700usize, 0..5),
            cut in 0..2000usize,
            piece in 1..50usize,
        ) {
            let mut data: Vec<u8> = lengths.into_iter().flat_map(message).collect();
            data.truncate(cut);
            let (mut whole, mut pieces) = (Framing::default(), Framing::default());
            let ended = whole.follow(&data);
            let mut ended_in_pieces = false;
            data.chunks(piece).for_each(|piece| ended_in_pieces |= pieces.follow(piece));
            prop_assert_eq!(ended, ended_in_pieces);
            prop_assert_eq!(whole.incomplete(), pieces.incomplete());
        }
    }

    fn ledger(each: usize) -> Arc<Ledger> {
        let config = GrpcConfig { max_unfinished_bytes: Some(each), ..GrpcConfig::on_port(0) };
        Arc::new(Ledger::new(&config, Drain::new(Duration::ZERO, Duration::ZERO)))
    }

    fn stream(account: &Arc<Account>) -> Bounded<()> {
        Bounded::new((), false, Arc::clone(account))
    }

    #[test]
    fn a_body_holds_what_its_largest_message_needed_until_it_is_dropped() {
        let all = ledger(100);
        let account = Arc::new(Account::open(&all));
        let held = || (account.held.load(Ordering::Relaxed), all.held.load(Ordering::Relaxed));
        let mut body = stream(&account);
        assert!(body.take(&message(80)[..60]).is_ok());
        assert!(body.take(&message(80)[60..]).is_ok());
        assert!(body.take(&message(80)[..10]).is_ok());
        assert_eq!(held(), (60, 60));
        let mut other = stream(&account);
        let refused = other.take(&message(80)[..60]).map_err(|status| status.code());
        assert_eq!(refused, Err(tonic::Code::ResourceExhausted));
        drop(other);
        assert_eq!(held(), (60, 60));
        drop(body);
        // A unary request holds its message until its stream ends, even when the message is whole.
        let mut unary = Bounded::new((), true, Arc::clone(&account));
        assert!(unary.take(&message(80)).is_ok());
        assert_eq!(held(), (85, 85));
        drop(unary);
        assert_eq!(held(), (0, 0));
    }

    #[test]
    fn those_who_hold_much_are_refused_for_what_all_hold_and_those_who_hold_little_are_not() {
        let all = ledger(2 * SMALL);
        let begun = |bytes: usize| {
            let mut body = stream(&Arc::new(Account::open(&all)));
            let taken = body.take(&message(4 * SMALL)[..bytes]).map_err(|status| status.code());
            (body, taken)
        };
        let bodies: Vec<_> = (0..CONNECTIONS).map(|_| begun(2 * SMALL)).collect();
        assert!(bodies.iter().all(|(_, taken)| taken.is_ok()));
        assert_eq!(begun(SMALL + 1).1, Err(tonic::Code::ResourceExhausted));
        assert_eq!(begun(SMALL).1, Ok(()));
        drop(bodies);
        assert_eq!(begun(SMALL + 1).1, Ok(()));
    }
}
