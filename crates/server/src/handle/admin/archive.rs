//! Archives: which streams are written to which directories.

use afflux_deliver::{ArchiveSettings, ArchiveStatus, Compression};
use afflux_types::{Error, Result};
use afflux_wire::message::{self, Answer, ArchiveList, Done};

use crate::config::Right;

use super::Admin;

impl Admin<'_> {
    pub(super) async fn add_archive(self, request: message::Archive) -> Result<Answer> {
        let stream = self.administered(&request.stream)?;
        let settings = settings(&request)?;
        self.state.archives.add(&stream, settings).await?;
        tracing::info!(%stream, directory = request.directory, token = self.identity.name(), "archive added");
        Ok(Answer::Done(Done {}))
    }

    pub(super) async fn remove_archive(self, name: &str) -> Result<Answer> {
        let stream = self.administered(name)?;
        self.state.archives.remove(&stream).await?;
        tracing::info!(%stream, token = self.identity.name(), "archive removed");
        Ok(Answer::Done(Done {}))
    }

    pub(super) fn list_archives(self) -> Result<Answer> {
        self.identity.require(Right::Admin)?;
        let archives = self.state.archives.list();
        let seen = archives
            .iter()
            .filter(|archive| self.identity.sees(&archive.stream));
        Ok(Answer::Archives(ArchiveList {
            archives: seen.map(status).collect(),
        }))
    }
}

fn settings(request: &message::Archive) -> Result<ArchiveSettings> {
    let mut settings = ArchiveSettings::new(&request.directory);
    settings.compression = match message::Compression::try_from(request.compression) {
        Ok(message::Compression::Gzip) => Compression::Gzip,
        Ok(message::Compression::Zstd) => Compression::Zstd,
        Ok(message::Compression::None) => Compression::None,
        Err(_) => {
            return Err(Error::invalid(format!(
                "compression {} is unknown",
                request.compression
            )));
        }
    };
    if request.file_bytes > 0 {
        settings.file_bytes = request.file_bytes;
    }
    if request.file_seconds > 0 {
        settings.file_seconds = request.file_seconds;
    }
    Ok(settings)
}

fn status(status: &ArchiveStatus) -> message::ArchiveStatus {
    let settings = &status.settings;
    let compression = match settings.compression {
        Compression::Gzip => message::Compression::Gzip,
        Compression::Zstd => message::Compression::Zstd,
        Compression::None => message::Compression::None,
    };
    message::ArchiveStatus {
        archive: Some(message::Archive {
            stream: status.stream.to_string(),
            directory: settings.directory.to_string_lossy().into_owned(),
            compression: compression.into(),
            file_bytes: settings.file_bytes,
            file_seconds: settings.file_seconds,
        }),
        records: status.totals.records,
        files: status.totals.files,
        millis_behind: status.millis_behind,
        last_error: status.last_error.clone().unwrap_or_default(),
    }
}
