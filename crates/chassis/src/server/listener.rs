//! What connections come from: a port or a unix socket.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};
use tokio_util::either::Either;

use crate::config::{Listen, SocketMode};

/// Connections the kernel holds until they are accepted: as many as the standard library asks for
/// on most systems, where Linux by default grants no more than 4096.
const BACKLOG: u32 = 1024;

/// A connection of either kind.
pub(super) type Stream = Either<TcpStream, UnixStream>;

/// A connection as it was accepted.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: Stream,
    /// Empty for a unix socket, as is the next.
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
}

/// A listener of either kind.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

impl Listener {
    /// A listener, and where it is.
    pub(super) async fn bind(listen: &Listen, mode: SocketMode) -> io::Result<(Self, Listen)> {
        match listen {
            Listen::Tcp(address) => {
                let (listener, local) = Self::bind_tcp(*address).await?;
                Ok((listener, local.into()))
            }
            Listen::Unix(path) => Ok((Self::bind_unix(path, mode).await?, listen.clone())),
        }
    }

    pub(super) async fn bind_tcp(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        Ok((Self::Tcp(listener), local))
    }

    async fn bind_unix(path: &Path, SocketMode(mode): SocketMode) -> io::Result<Self> {
        remove_stale(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        let file = SocketFile::at(path)?;
        // Before it listens: nobody connects who may not, however loose the umask is.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(Self::Unix { listener: socket.listen(BACKLOG)?, _file: file })
    }

    /// The next connection. Nothing is lost if the future is dropped.
    pub(super) async fn accept(&self) -> io::Result<Opened> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                // Small messages that answer each other: Nagle's algorithm only delays them. It
                // fails for a connection that is gone already, which shows when it is read.
                let _ = stream.set_nodelay(true);
                let local = stream.local_addr().ok();
                Ok(Opened { stream: Either::Left(stream), local, remote: Some(remote) })
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Opened { stream: Either::Right(stream), local: None, remote: None })
            }
        }
    }
}

/// Removes a socket that a process left behind when it was killed.
///
/// # Errors
/// When a process listens on it, or when it is something else than a socket.
async fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let message = "there is a file that is no socket; remove it, or choose another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    match UnixStream::connect(path).await {
        // Nobody listens: the kernel knows.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing the socket of a process that is gone");
            std::fs::remove_file(path)
        }
        // Not ours, or full: somebody may listen.
        Ok(_) | Err(_) => {
            let message = "a process listens there; stop it, or choose another path";
            Err(io::Error::new(io::ErrorKind::AddrInUse, message))
        }
    }
}

/// The file of a socket, removed when it is dropped unless another one has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (found.dev(), found.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // One that stays is removed by the next process that listens there.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
