//! The endpoint from outside, with a service of the tests' own behind it.

mod access;
mod arriving;
mod bounds;
mod client;
mod protocol;
mod service;
mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use afflux_types::Clock;
use tempfile::TempDir;

use crate::Server;
use crate::aws::Services;
use crate::config::Config;
use service::Fake;

/// A server on ports that the system chose.
struct Running {
    server: Server,
    dir: TempDir,
    /// Frames that the service has made.
    frames: Arc<AtomicU64>,
}

impl Running {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: dir.path().join("data"),
            ..Config::default()
        };
        config.quic.listen.set_port(0);
        config.http.listen.set_port(0);
        change(&mut config);
        let frames = Arc::new(AtomicU64::new(0));
        let fake: Services = vec![Box::new(Fake(Arc::clone(&frames)))];
        let server = Server::start_with(config, Clock::system(), async |_, _, _, _, _| Ok(fake));
        Self {
            server: server.await.unwrap(),
            dir,
            frames,
        }
    }

    fn address(&self) -> SocketAddr {
        let port = self.server.http_addr().port();
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
