//! Gathers small writes into one.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

/// Bytes held back at most until the next flush. HTTP/2 hands over as much at a time.
const HELD: usize = 16 << 10;

/// Holds what is written until it is flushed, or more than [`HELD`] bytes come: then both go in
/// one system call.
///
/// To a writer that is vectored h2 hands a payload of 256 bytes or more separately and flushes what
/// it has before it: the answer of a unary call and its status would be two system calls, two
/// packets, and two wake-ups of the caller, for every call. To a writer that is not vectored it
/// hands payloads of less than a kibibyte together with all that waits; larger ones come in two
/// pieces, which this type holds together.
#[derive(Debug)]
pub(super) struct Coalescing<W> {
    inner: W,
    held: BytesMut,
}

impl<W: AsyncWrite + Unpin> Coalescing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, held: BytesMut::new() }
    }

    /// Writes what is held.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.has_remaining() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.held.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Coalescing<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held.len() + bytes.len() <= HELD {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        loop {
            let Self { inner, held } = &mut *self;
            let both = [IoSlice::new(held), IoSlice::new(bytes)];
            let written = ready!(Pin::new(inner).poll_write_vectored(cx, &both))?;
            let of_held = written.min(held.len());
            held.advance(of_held);
            if written > of_held || written == 0 {
                return Poll::Ready(Ok(written - of_held));
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    // Vectored, pieces would not be held together: see above.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Takes at most so many bytes in a call, and keeps those of each apart.
    #[derive(Debug, Default)]
    struct Calls {
        most: usize,
        taken: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Calls {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let bytes = pieces.iter().flat_map(|piece| piece.iter().copied());
            let all: Vec<u8> = bytes.take(self.most).collect();
            let written = all.len();
            self.taken.push(all);
            Poll::Ready(Ok(written))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn calls(most: usize) -> Coalescing<Calls> {
        Coalescing::new(Calls { most, taken: Vec::new() })
    }

    #[tokio::test]
    async fn small_writes_go_together_when_they_are_flushed() {
        let mut writer = calls(usize::MAX);
        for piece in ["answer", " and", " status"] {
            writer.write_all(piece.as_bytes()).await.unwrap();
        }
        assert!(writer.inner.taken.is_empty());
        writer.flush().await.unwrap();
        assert_eq!(writer.inner.taken, [b"answer and status".to_vec()]);
        writer.flush().await.unwrap();
        assert_eq!(writer.inner.taken.len(), 1);
    }

    #[tokio::test]
    async fn a_large_write_takes_along_what_is_held_and_nothing_is_lost_piece_by_piece() {
        let large: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
        let all = [b"head".as_slice(), &large, b"tail"].concat();
        for most in [1, 3, 5, 1000, usize::MAX] {
            let mut writer = calls(most);
            writer.write_all(b"head").await.unwrap();
            writer.write_all(&large).await.unwrap();
            writer.write_all(b"tail").await.unwrap();
            writer.shutdown().await.unwrap();
            assert_eq!(writer.inner.taken.concat(), all, "{most}");
            if most > all.len() {
                assert_eq!(writer.inner.taken.len(), 2, "with the head, and the tail");
            }
        }
    }

    #[tokio::test]
    async fn who_takes_no_more_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(10);
        let mut writer = Coalescing::new(near);
        let large = vec![7; 3 * HELD];
        let sent = large.clone();
        let writing = tokio::spawn(async move {
            writer.write_all(b"head").await.unwrap();
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        writing.await.unwrap();
        assert_eq!(got, [b"head".as_slice(), &large].concat());
        drop(far);
        let mut gone = calls(0);
        gone.write_all(b"lost").await.unwrap();
        assert_eq!(gone.flush().await.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
