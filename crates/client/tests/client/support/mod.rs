//! What the tests share: a server in memory, and short ways to say things.

pub(crate) mod server;
pub(crate) mod store;

use afflux_types::StreamName;
use afflux_wire::message::CreateStream;
pub(crate) use server::Server;

pub(crate) fn name(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

/// A server with the stream `s`.
pub(crate) fn serve(shards: u32) -> Server {
    let server = Server::start();
    server.shared.change(|store| {
        store.create(&CreateStream {
            stream: "s".into(),
            shards,
            ..CreateStream::default()
        })
    });
    server
}
