//! Messages that have begun and not ended. What has come of them has to be kept, so its size is bounded, and so is the time it may take.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::config::GrpcConfig;
use crate::process::BoxError;

/// So many connections may hold what one may hold at most.
const CONNECTIONS: usize = 8;

/// What all connections hold of unfinished messages, and may.
#[derive(Debug)]
pub(super) struct Ledger {
    held: AtomicUsize,
    each: usize,
    time: Duration,
}

impl Ledger {
    pub(super) fn new(config: &GrpcConfig) -> Self {
        let (each, time) = (config.max_unfinished_bytes, config.message_timeout);
        Self { held: AtomicUsize::new(0), each, time }
    }
}

/// What a connection holds of unfinished messages.
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
                "a connection may send {each} bytes of messages that it has not ended (grpc.max_unfinished_bytes); end some before others begin"
            )));
        }
        if all > each.saturating_mul(CONNECTIONS) {
            return Err(Status::resource_exhausted(
                "too much of messages that have not ended is waiting, of all connections together; try again",
            ));
        }
        Ok(())
    }

    fn remove(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.all.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The body of a request that ends with an error when an unfinished message is too much, or takes too long.
pub(super) struct Watched<B> {
    body: B,
    framing: Framing,
    account: Arc<Account>,
    /// What stands in the account for this body.
    held: usize,
    /// Runs while the rest of a message is waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, account: Arc<Account>) -> Self {
        Self { body, framing: Framing::default(), account, held: 0, timer: None }
    }

    /// Accounts for data that has come.
    fn take(&mut self, data: &[u8]) -> Result<(), Status> {
        if self.framing.follow(data) {
            self.timer = None;
        }
        let held = self.framing.unfinished();
        let before = std::mem::replace(&mut self.held, held);
        if held > before {
            return self.account.add(held - before);
        }
        if held < before {
            self.account.remove(before - held);
        }
        Ok(())
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if self.framing.unfinished() == 0 {
            return Poll::Pending;
        }
        let time = self.account.all.time;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(time)));
        timer.as_mut().poll(cx).map(|()| {
            Status::deadline_exceeded(format!(
                "a message must end within {time:?} of its beginning (grpc.message_timeout)"
            ))
        })
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        if self.held > 0 {
            self.account.remove(self.held);
        }
    }
}

impl<B> Body for Watched<B>
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
                let taken = frame.data_ref().map_or(Ok(()), |data| self.take(data));
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

/// Where in a message the data is, by gRPC's framing: a byte of flags, four bytes of length, the most significant first, and the message.
#[derive(Debug, Default)]
struct Framing {
    /// Bytes of the prefix so far.
    prefix: usize,
    length: usize,
    /// Bytes of the message so far.
    got: usize,
}

impl Framing {
    const PREFIX: usize = 5;

    /// Goes over the data that follows; whether a message ended in it.
    fn follow(&mut self, mut data: &[u8]) -> bool {
        let mut ended = false;
        while let Some((&first, rest)) = data.split_first() {
            if self.prefix < Self::PREFIX {
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
            if self.prefix == Self::PREFIX && self.got == self.length {
                *self = Self::default();
                ended = true;
            }
        }
        ended
    }

    /// Bytes of the message that has not ended.
    fn unfinished(&self) -> usize {
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
        bytes.resize(Framing::PREFIX + length, 7);
        bytes
    }

    #[test]
    fn what_is_unfinished_is_what_came_since_the_last_end() {
        let mut framing = Framing::default();
        assert!(!framing.follow(&message(300)[..200]));
        assert_eq!(framing.unfinished(), 200);
        assert!(framing.follow(&message(300)[200..]));
        assert_eq!(framing.unfinished(), 0);
        assert!(framing.follow(&[message(0), message(2), vec![0, 0]].concat()));
        assert_eq!(framing.unfinished(), 2);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_what_pieces_data_comes(
            lengths in prop::collection::vec(0..700usize, 0..5), cut in 0..2000usize, piece in 1..50usize,
        ) {
            let mut data: Vec<u8> = lengths.into_iter().flat_map(message).collect();
            data.truncate(cut);
            let (mut whole, mut pieces) = (Framing::default(), Framing::default());
            let ended = whole.follow(&data);
            let mut ended_in_pieces = false;
            data.chunks(piece).for_each(|piece| ended_in_pieces |= pieces.follow(piece));
            prop_assert_eq!(ended, ended_in_pieces);
            prop_assert_eq!(whole.unfinished(), pieces.unfinished());
        }
    }

    #[test]
    fn what_is_held_is_given_back() {
        let config = GrpcConfig { max_unfinished_bytes: 100, ..GrpcConfig::on_port(0) };
        let all = Arc::new(Ledger::new(&config));
        let account = Arc::new(Account::open(&all));
        let held = || (account.held.load(Ordering::Relaxed), all.held.load(Ordering::Relaxed));
        let mut body = Watched::new((), Arc::clone(&account));
        assert!(body.take(&message(80)[..60]).is_ok());
        assert_eq!(held(), (60, 60));
        let mut other = Watched::new((), Arc::clone(&account));
        assert_eq!(
            other.take(&message(80)[..60]).map_err(|s| s.code()),
            Err(tonic::Code::ResourceExhausted)
        );
        drop(other);
        assert_eq!(held(), (60, 60));
        assert!(body.take(&message(80)[60..]).is_ok());
        assert_eq!(held(), (0, 0));
        // Nine connections may not hold what eight may.
        let mut bodies: Vec<_> =
            (0..9).map(|_| Watched::new((), Arc::new(Account::open(&all)))).collect();
        let refused = bodies.iter_mut().filter_map(|body| body.take(&message(200)[..95]).err());
        assert_eq!(refused.count(), 1);
        drop(bodies);
        assert_eq!(held(), (0, 0));
    }
}
