//! Starts servers and talks to them.

mod client;
mod entry;

pub(crate) use client::{Channel, Own, Peer};
pub(crate) use entry::{batch, numbered, records};

use std::path::Path;

use afflux_server::{Config, Server};
use afflux_types::{Clock, Result};
use afflux_wire::Frame;
use afflux_wire::message::{
    Activity, AdminRequest, Answer, Command, CreateStream, StreamKind, StreamRef,
};
use tempfile::TempDir;

/// A server on ports that the system chose, with a data directory of its own.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        let server = Server::start(config, Clock::system()).await.unwrap();
        Self { server, dir }
    }

    /// Stops the server and starts another one with the same data.
    pub(crate) async fn restart(self) -> Self {
        self.server.shutdown().await.unwrap();
        let server = Server::start(config(self.dir.path()), Clock::system())
            .await
            .unwrap();
        Self {
            server,
            dir: self.dir,
        }
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::connect(&self.server).await
    }

    pub(crate) async fn shutdown(self) -> Result<()> {
        self.server.shutdown().await
    }
}

/// Settings for a test.
pub(crate) fn config(dir: &Path) -> Config {
    let mut config = Config {
        data_dir: dir.join("data"),
        ..Config::default()
    };
    config.quic.listen.set_port(0);
    config.http.listen.set_port(0);
    config
}

/// Runs a command and returns its answer.
pub(crate) async fn admin(peer: &Peer, command: Command) -> Result<Answer> {
    let request = AdminRequest {
        command: Some(command),
    };
    let mut channel = peer.open(Activity::Admin(request)).await;
    match channel.frame().await {
        Frame::AdminResponse(response) => Ok(response.answer.unwrap()),
        Frame::Failure(failure) => Err(failure.to_error()),
        other => panic!("{other:?} is no answer"),
    }
}

/// Creates a stream of one shard.
pub(crate) async fn create(peer: &Peer, name: &str, kind: StreamKind) {
    let request = CreateStream {
        stream: name.to_owned(),
        kind: kind.into(),
        ..CreateStream::default()
    };
    admin(peer, Command::CreateStream(request)).await.unwrap();
}

pub(crate) fn stream_ref(name: &str) -> StreamRef {
    StreamRef {
        stream: name.to_owned(),
    }
}
