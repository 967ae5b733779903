//! The HTTP/2 connection preface, waited for before hyper sees a connection.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, join},
    time::timeout,
};
use tokio_util::either::Either;

use super::{coalesce::Coalescing, listener::Stream};

/// What a client says first: RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The stream, from its start, once the client has sent its whole preface. Pings, which find a
/// client that is gone, start only then.
///
/// # Errors
/// The connection ended, something else came, or the preface was not there after `patience`.
pub(super) async fn greeted(
    mut stream: Stream,
    patience: Duration,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
    timeout(patience, read_preface(&mut stream)).await??;
    // `into_split` takes no lock, unlike `tokio::io::split`.
    let (rest, answers) = match stream {
        Either::Left(stream) => {
            let (rest, answers) = stream.into_split();
            (Either::Left(rest), Either::Left(answers))
        }
        Either::Right(stream) => {
            let (rest, answers) = stream.into_split();
            (Either::Right(rest), Either::Right(answers))
        }
    };
    Ok(join(PREFACE.chain(rest), Coalescing::new(answers)))
}

async fn read_preface(stream: &mut Stream) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    let mut read = 0;
    while read < preface.len() {
        let more = stream.read(&mut preface[read..]).await?;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read += more;
        if preface[..read] != PREFACE[..read] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not an HTTP/2 preface"));
        }
    }
    Ok(())
}
