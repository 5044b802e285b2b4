//! What an operator decides about the API.

use std::path::PathBuf;

use afflux_aws::arn::Place;

/// How the API presents itself, and what it may use of the machine.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Region and account that resource names carry. Requests may name any other: there is only one.
    pub place: Place,
    /// The directory below which pictures are written; none are without it.
    pub images_dir: Option<PathBuf>,
    /// A program that decodes pictures of codecs that nothing here decodes; they have no pictures
    /// without it.
    pub ffmpeg: Option<PathBuf>,
}
