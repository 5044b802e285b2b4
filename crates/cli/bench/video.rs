//! placeholder
pub(crate) fn run(_args: &crate::args::BenchVideo) -> anyhow::Result<()> { Ok(()) }
