//! A build without Iceberg: whoever wants a table is told how to get one.

use afflux_types::{Error, Result};

use super::{Access, Append, Batch, Layout, TableSettings};

pub(crate) async fn open(_: &Access, _: &TableSettings) -> Result<Layout> {
    Err(absent())
}

pub(crate) async fn append(_: &Access, _: Batch, _: &Append) -> Result<()> {
    Err(absent())
}

fn absent() -> Error {
    Error::invalid("this build has no Iceberg: build with --features iceberg")
}
