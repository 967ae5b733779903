//! A private directory for unix sockets.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context;
use strata_chassis::Listen;

static MADE: AtomicU32 = AtomicU32::new(0);

/// A directory that only this user can read. Dropping it removes it, with the sockets that killed
/// services left behind.
#[derive(Debug)]
pub(crate) struct SocketDir(PathBuf);

impl SocketDir {
    /// Makes a directory in the directory for temporary files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn make() -> anyhow::Result<Self> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("strata-{}-{number}", std::process::id()));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// The socket of the service with this name.
    ///
    /// # Errors
    /// When the path is too long for a socket.
    pub(crate) fn socket(&self, service: &str) -> anyhow::Result<Listen> {
        Ok(format!("unix:{}/{service}.sock", self.0.display()).parse()?)
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        // A directory that stays does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn two_are_different_private_and_gone_with_their_owner() {
        let (one, other) = (SocketDir::make().unwrap(), SocketDir::make().unwrap());
        assert_ne!(one.socket("x").unwrap(), other.socket("x").unwrap());
        assert_eq!(one.0.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(one.0.join("left.sock"), "").unwrap();
        let path = one.0.clone();
        drop(one);
        assert!(!path.exists() && other.0.exists());
    }
}
