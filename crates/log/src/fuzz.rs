//! Doors for the fuzz targets to the parsers that are private otherwise.

use afflux_types::Position;

use crate::LogKey;
use crate::format::{
    Activation, Identity, RecordHeader, SEGMENT_HEADER_LEN, decode_index, decode_journal_header,
};
use crate::fs::{Disk, FileSystem, OpenMode, write_all_at};
use crate::tail::read_tail;

/// An index from anywhere.
pub fn index(bytes: &[u8]) {
    let identity = Identity {
        key: LogKey {
            stream: 1,
            shard: 0,
        },
        ordinal: 0,
        id: 1,
        capacity: 1 << 20,
    };
    if let Ok(index) = decode_index(bytes, &identity) {
        assert!(index.summary.data_len <= identity.capacity);
        assert!(index.blocks.is_sorted_by_key(|block| block.offset));
    }
}

/// Headers of segments and of journals, and recovery points, from anywhere.
pub fn headers(bytes: &[u8]) {
    let _ = Identity::decode(bytes);
    let _ = Activation::decode(bytes);
    let _ = RecordHeader::decode(bytes);
    let _ = decode_journal_header(bytes);
    let _ = crate::points::decode(bytes);
}

/// The entries of a segment from anywhere: what recovery accepts lies within the file, and continues
/// from the first position on.
///
/// # Panics
/// If it does not, or if the temporary folder cannot be written.
pub fn tail(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("afflux-fuzz-{}", std::process::id()));
    let file = Disk
        .open(&path, OpenMode::Truncate)
        .expect("the temporary folder takes a file");
    let capacity = (SEGMENT_HEADER_LEN + bytes.len()) as u64;
    write_all_at(&*file, [&[0; SEGMENT_HEADER_LEN][..], bytes], 0)
        .expect("the temporary folder takes a file");
    let identity = Identity {
        key: LogKey {
            stream: 1,
            shard: 0,
        },
        ordinal: 0,
        id: 1,
        capacity,
    };
    let activation = Activation {
        previous_durable: false,
        first: Position::ZERO,
        arrival_floor: afflux_types::ServerTime::from_millis(i64::MIN),
        created: afflux_types::ServerTime::default(),
    };
    let tail = read_tail(&*file, &path, &identity, &activation).expect("the file is readable");
    let summary = tail.index.summary();
    assert!(summary.data_len <= capacity && summary.first == Position::ZERO);
    assert!(tail.torn.is_some() || !tail.damaged);
}
