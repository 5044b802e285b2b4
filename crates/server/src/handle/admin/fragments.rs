//! Lists stored fragments, a page at a time.

use afflux_engine::StreamKind;
use afflux_media::StoredFragment;
use afflux_types::limits::CONTROL_FRAME_BYTES_MAX;
use afflux_types::{Error, Position, Result};
use afflux_video::library;
use afflux_wire::message::{Answer, FragmentList, ListFragments};
use prost::Message as _;

use super::super::convert;
use super::{Admin, page};

/// Bytes of a page: tags may make a fragment's line long.
const PAGE_BYTES_MAX: usize = CONTROL_FRAME_BYTES_MAX / 2;

impl Admin<'_> {
    pub(super) async fn list_fragments(self, request: ListFragments) -> Result<Answer> {
        let stream = self.consumed(&request.stream)?;
        let shard = self.engine().shard(&stream, library::shard_id()).await?;
        if shard.kind() != StreamKind::Video {
            return Err(Error::invalid(format!(
                "{stream} is a stream of records, not of video"
            )));
        }
        let selector = convert::selector(request.selector.as_ref())?;
        let recording = self.state.videos.of(&stream);
        let from = Position::new(request.position);
        let mut search = recording.search(&shard, selector, from).await?;
        let limit = page(request.limit);
        let mut list = FragmentList::default();
        let mut bytes = 0;
        while let Some(found) = search.next().await? {
            let tags = StoredFragment::decode(found.entry.body())?.tags();
            let Some(fragment) = convert::fragment(&found, &tags) else {
                continue;
            };
            bytes += fragment.encoded_len();
            if list.fragments.len() == limit || bytes > PAGE_BYTES_MAX {
                list.next_position = Some(fragment.position);
                break;
            }
            list.fragments.push(fragment);
        }
        Ok(Answer::Fragments(list))
    }
}
