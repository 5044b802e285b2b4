//! What can be typed about archives.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Connection, ConnectionOnly, StreamName, from_one};

#[derive(Debug, Subcommand)]
pub(crate) enum Archive {
    /// Archive a stream from its trim horizon on.
    Add(ArchiveAdd),
    /// List archives and how far they are.
    List(ConnectionOnly),
    /// Stop archiving a stream; its files stay.
    Remove(StreamName),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    None,
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveAdd {
    /// The stream's name.
    pub(crate) stream: String,
    /// A directory on the server's machine.
    pub(crate) directory: PathBuf,
    /// How files of records are compressed.
    #[arg(long, value_enum, default_value_t = Compression::Gzip)]
    pub(crate) compression: Compression,
    /// A file is closed when it holds so many bytes before compression.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, value_parser = from_one())]
    pub(crate) file_bytes: u64,
    /// A file is closed when it is so old.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = from_one())]
    pub(crate) file_seconds: u64,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
