//! What connections come from: a port or a unix socket.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};
use tokio_util::either::Either;

use crate::config::{Listen, SocketMode};

/// Connections the kernel holds until they are accepted: as many as the standard library asks for
/// on most systems, where Linux by default grants no more than 4096.
const BACKLOG: u32 = 1024;

/// A connection of either kind.
pub(crate) type Stream = Either<TcpStream, UnixStream>;

/// A connection as it was accepted.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    /// Empty for a unix socket, as is the next.
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: Option<SocketAddr>,
}

/// A listener of either kind.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

impl Listener {
    /// A listener, and where it is.
    pub(crate) async fn bind(listen: &Listen, mode: SocketMode) -> io::Result<(Self, Listen)> {
        match listen {
            Listen::Tcp(address) => {
                let (listener, local) = Self::bind_tcp(*address).await?;
                Ok((listener, local.into()))
            }
            Listen::Unix(path) => Ok((Self::bind_unix(path, mode).await?, listen.clone())),
        }
    }

    pub(crate) async fn bind_tcp(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let local = listener.local_addr()?;
        Ok((Self::Tcp(listener), local))
    }

    async fn bind_unix(path: &Path, SocketMode(mode): SocketMode) -> io::Result<Self> {
        remove_stale(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        let file = SocketFile::at(path)?;
        // Set before the socket listens, so that a loose umask never lets anybody else connect.
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(Self::Unix { listener: socket.listen(BACKLOG)?, _file: file })
    }

    /// The next connection. Nothing is lost if the future is dropped.
    pub(crate) async fn accept(&self) -> io::Result<Opened> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                // Nagle's algorithm only delays small messages that answer each other. The call
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
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let message = "there is a file that is no socket; remove it, or choose another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    match UnixStream::connect(path).await {
        // The kernel refuses: no process listens.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing the socket of a process that is gone");
            fs::remove_file(path)
        }
        // Connected, full, or not permitted: a process may listen.
        Ok(_) | Err(_) => {
            let message = "a process listens there; stop it, or choose another path";
            Err(io::Error::new(io::ErrorKind::AddrInUse, message))
        }
    }
}

/// The file of a socket, removed when it is dropped unless another one has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (found.dev(), found.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // If this fails, the next process that listens there removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}
