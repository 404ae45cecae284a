//! Sockets and the data directory: what can be refused before anything else starts, each with what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;

use crate::config::Config;

/// Why a node cannot even begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Somebody listens there already.
    #[error(
        "{key}: {address} is in use by another process; stop it (`ss -ltnp` names it) or choose another address"
    )]
    PortTaken {
        /// Which listener.
        key: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("{key}: cannot listen on {address}")]
    Listen {
        /// Which listener.
        key: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data directory cannot be made or written.
    #[error("data-dir: {} cannot be written; make it writable for this user or choose another directory", path.display())]
    DataDirectory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The three sockets of a node, bound.
pub(crate) struct Listeners {
    pub(crate) api: TcpListener,
    pub(crate) peer: TcpListener,
    pub(crate) health: TcpListener,
}

impl Listeners {
    /// Binds all three, so that a node never runs with only some of them.
    pub(crate) async fn bind(config: &Config) -> Result<Self, BeginError> {
        Ok(Self {
            api: bind("api", config.api).await?,
            peer: bind("peer", config.peer).await?,
            health: bind("health", config.health).await?,
        })
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, BeginError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BeginError::PortTaken { key, address },
            _ => BeginError::Listen {
                key,
                address,
                source,
            },
        })
}

/// Makes the data directory and proves that it can be written.
pub(crate) fn prepare_directory(path: &Path) -> Result<(), BeginError> {
    let probe = path.join(".writable");
    let prove = || -> io::Result<()> {
        std::fs::create_dir_all(path)?;
        std::fs::write(&probe, b"")?;
        std::fs::remove_file(&probe)
    };
    prove().map_err(|source| BeginError::DataDirectory {
        path: path.to_owned(),
        source,
    })
}
