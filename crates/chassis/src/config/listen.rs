//! Where a server listens: a port, or a unix socket.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an address of a unix socket begins with, in settings and in endpoints.
const SCHEME: &str = "unix:";
/// Longest path of a unix socket in bytes: what the `sun_path` of macOS holds, which has less room
/// than that of Linux, with the zero behind it.
const MAX_PATH_BYTES: usize = 103;

/// Where a server listens. Written `IP:port` or `unix:/path` (also `unix:///path`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// Address and port; port 0 picks a free one.
    Tcp(SocketAddr),
    /// The file of a unix socket, by an absolute path.
    Unix(PathBuf),
}

impl Listen {
    /// The address and port, unless it is a unix socket.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// As it is written in a setting.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{SCHEME}{}", path.display()),
        }
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        match socket_path(text) {
            Some(path) => Ok(Self::Unix(path?.to_owned())),
            None => match text.trim().parse() {
                Ok(address) => Ok(Self::Tcp(address)),
                Err(_) => Err(ListenError::Address { text: text.to_owned() }),
            },
        }
    }
}

/// Why a text does not say where to listen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// It is neither an address nor a unix socket.
    #[error("{text:?} is not where a server can listen; write IP:port or unix:/path")]
    Address {
        /// The text.
        text: String,
    },
    /// The path of the unix socket is not absolute, or is a directory's.
    #[error("{path:?} is not the absolute path of a socket; write unix:/path")]
    Path {
        /// The path.
        path: String,
    },
    /// Operating systems have no room for the path.
    #[error(
        "the path of a unix socket has at most {MAX_PATH_BYTES} bytes, not {bytes}; \
         choose a shorter one"
    )]
    Long {
        /// Its length.
        bytes: usize,
    },
}

/// The path in `unix:/path` or `unix:///path`; nothing if `text` begins otherwise.
pub(crate) fn socket_path(text: &str) -> Option<Result<&Path, ListenError>> {
    let rest = text.trim().strip_prefix(SCHEME)?;
    // As in a URL, whose authority is empty.
    let path = rest.strip_prefix("//").unwrap_or(rest);
    Some(match path.len() {
        _ if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') => {
            Err(ListenError::Path { path: path.to_owned() })
        }
        bytes if bytes > MAX_PATH_BYTES => Err(ListenError::Long { bytes }),
        _ => Ok(Path::new(path)),
    })
}

/// Who may connect to a unix socket: the permission bits of its file, written in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct SocketMode(pub(crate) u32);

impl Default for SocketMode {
    /// The user of the process, and nobody else.
    fn default() -> Self {
        Self(0o600)
    }
}

impl From<SocketMode> for String {
    fn from(SocketMode(bits): SocketMode) -> Self {
        format!("{bits:04o}")
    }
}

impl TryFrom<String> for SocketMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // A sign or an underscore is read by no chmod.
        let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if octal && bits <= 0o777 => Ok(Self(bits)),
            _ => Err(format!("{text:?} is not a mode; write it as chmod does, \"0660\"")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<Listen, ListenError> {
        text.parse()
    }

    #[test]
    fn ports_and_sockets_are_read_and_written() {
        for (text, written) in [
            ("127.0.0.1:50051", "127.0.0.1:50051"),
            ("[::1]:0", "[::1]:0"),
            ("unix:/run/strata/tactical.sock", "unix:/run/strata/tactical.sock"),
            (" unix:///run/a b.sock ", "unix:/run/a b.sock"),
        ] {
            assert_eq!(listen(text).unwrap().to_string(), written);
        }
        assert_eq!(listen("127.0.0.1:7").unwrap().tcp().unwrap().port(), 7);
        assert_eq!(listen("unix:/a").unwrap().tcp(), None);
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for text in
            ["", "50051", "localhost:1", "/run/a.sock", "unix:", "unix:a", "unix://a/b", "unix:/a/"]
        {
            let error = listen(text).unwrap_err().to_string();
            assert!(error.contains("unix:/path"), "{text}: {error}");
        }
        let long = format!("unix:/{}", "x".repeat(MAX_PATH_BYTES));
        assert_eq!(listen(&long).unwrap_err(), ListenError::Long { bytes: MAX_PATH_BYTES + 1 });
        listen(&long[..long.len() - 1]).unwrap();
    }

    #[test]
    fn modes_are_octal() {
        for (text, bits) in [("0600", 0o600), ("660", 0o660), ("0777", 0o777)] {
            assert_eq!(SocketMode::try_from(text.to_owned()), Ok(SocketMode(bits)));
        }
        assert_eq!(String::from(SocketMode(0o60)), "0060");
        for text in ["", "0", "0800", "1777", "+600", "0o600", "rw", "00600"] {
            SocketMode::try_from(text.to_owned()).unwrap_err();
        }
    }
}
