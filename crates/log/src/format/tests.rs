//! FORMAT.md says what the code does, and headers survive no damage.

use super::*;

const FORMAT: &str = include_str!("../../FORMAT.md");

/// The rows of the table whose first field is `first`: offset and name, without reserved fields.
fn documented(heading: &str) -> Vec<(usize, String)> {
    FORMAT
        .lines()
        .skip_while(|line| !line.starts_with(heading))
        .skip_while(|line| !line.starts_with("| 0 |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (
                cells[1].parse().unwrap(),
                cells[3].trim_matches('`').to_owned(),
            )
        })
        .filter(|(_, name)| name != "reserved")
        .collect()
}

fn check(heading: &str, fields: &[(usize, &str)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(at, name)| (*at, (*name).to_owned()))
        .collect();
    assert_eq!(documented(heading), fields, "{heading}");
}

#[test]
fn segment_offsets_are_the_documented_ones() {
    check(
        "### Identity, bytes 0 to 64",
        &[
            (0, "magic"),
            (AT_VERSION, "version"),
            (AT_IDENTITY_STREAM, "stream"),
            (AT_IDENTITY_SHARD, "shard"),
            (AT_IDENTITY_ORDINAL, "ordinal"),
            (AT_IDENTITY_ID, "id"),
            (AT_IDENTITY_CAPACITY, "capacity"),
            (AT_IDENTITY_CHECKSUM, "checksum"),
        ],
    );
    check(
        "### Activation, bytes 64 to 128",
        &[
            (0, "magic"),
            (AT_ACTIVATION_FLAGS, "flags"),
            (AT_ACTIVATION_FIRST, "first"),
            (AT_ACTIVATION_ARRIVAL_FLOOR, "arrival_floor"),
            (AT_ACTIVATION_CREATED, "created"),
            (AT_ACTIVATION_CHECKSUM, "checksum"),
        ],
    );
    assert_eq!((IDENTITY_LEN, SEGMENT_HEADER_LEN), (64, 128));
}

#[test]
fn index_offsets_are_the_documented_ones() {
    check(
        "## Index",
        &[
            (0, "magic"),
            (AT_VERSION, "version"),
            (AT_INDEX_STREAM, "stream"),
            (AT_INDEX_SHARD, "shard"),
            (AT_INDEX_BLOCK_COUNT, "block_count"),
            (AT_INDEX_ORDINAL, "ordinal"),
            (AT_INDEX_ID, "id"),
            (AT_INDEX_DATA_LEN, "data_len"),
            (AT_INDEX_FIRST, "first"),
            (AT_INDEX_END, "end"),
            (AT_INDEX_ENTRIES, "entries"),
            (AT_INDEX_ARRIVAL_MIN, "arrival_min"),
            (AT_INDEX_ARRIVAL_MAX, "arrival_max"),
            (AT_INDEX_PRODUCER_MIN, "producer_min"),
            (AT_INDEX_PRODUCER_MAX, "producer_max"),
            (AT_INDEX_RESERVED, "reserved_bytes"),
            (AT_INDEX_COUNTED_END, "counted_end"),
            (AT_INDEX_BLOCKS_CHECKSUM, "blocks_checksum"),
            (AT_INDEX_CHECKSUM, "checksum"),
        ],
    );
    assert_eq!((INDEX_HEADER_LEN, BLOCK_LEN), (128, 24));
}

#[test]
fn journal_offsets_are_the_documented_ones() {
    check(
        "## Journal",
        &[
            (0, "magic"),
            (AT_VERSION, "version"),
            (AT_JOURNAL_GENERATION, "generation"),
            (AT_JOURNAL_LEN, "len"),
            (AT_JOURNAL_CHECKSUM, "checksum"),
        ],
    );
    check(
        "Then records,",
        &[
            (0, "magic"),
            (AT_RECORD_GENERATION, "record_generation"),
            (AT_RECORD_OFFSET, "record_offset"),
            (AT_RECORD_DURABLE_TO, "durable_to"),
            (AT_RECORD_RUN_COUNT, "run_count"),
            (AT_RECORD_PAYLOAD_LEN, "payload_len"),
            (AT_RECORD_RUNS_CHECKSUM, "runs_checksum"),
            (AT_RECORD_PAYLOAD_CHECKSUM, "payload_checksum"),
            (AT_RECORD_CHECKSUM, "record_checksum"),
        ],
    );
    check(
        "A run in the table:",
        &[
            (AT_RUN_STREAM, "run_stream"),
            (AT_RUN_SHARD, "run_shard"),
            (AT_RUN_ORDINAL, "run_ordinal"),
            (AT_RUN_ID, "run_id"),
            (AT_RUN_OFFSET, "run_offset"),
            (AT_RUN_LEN, "run_len"),
        ],
    );
    assert_eq!((RECORD_HEADER_LEN, RUN_LEN, JOURNAL_ALIGN), (64, 48, 4_096));
}

#[test]
fn recovery_point_offsets_are_the_documented_ones() {
    check(
        "## Recovery points",
        &[
            (0, "magic"),
            (AT_VERSION, "version"),
            (AT_POINTS_COUNT, "point_count"),
            (AT_POINTS_ROWS_CHECKSUM, "points_checksum"),
            (AT_POINTS_CHECKSUM, "checksum"),
        ],
    );
    check(
        "A point:",
        &[
            (AT_POINT_STREAM, "point_stream"),
            (AT_POINT_SHARD, "point_shard"),
            (AT_POINT_ORDINAL, "point_ordinal"),
            (AT_POINT_ID, "point_id"),
            (AT_POINT_DURABLE_TO, "durable_to"),
        ],
    );
    assert_eq!((POINTS_HEADER_LEN, POINT_LEN), (64, 40));
}

const IDENTITY: Identity = Identity {
    key: LogKey {
        stream: 1,
        shard: 2,
    },
    ordinal: 3,
    id: 4,
    capacity: 1 << 20,
};

#[test]
fn headers_read_what_they_write_and_notice_every_flipped_bit() {
    let activation = Activation {
        previous_durable: true,
        first: Position::new(5),
        arrival_floor: ServerTime::from_millis(-6),
        created: ServerTime::from_millis(7),
    };
    assert_eq!(Identity::decode(&IDENTITY.encode()), Ok(IDENTITY));
    assert_eq!(Activation::decode(&activation.encode()), Ok(activation));
    let record = RecordHeader {
        generation: 1,
        offset: 2,
        durable_to: 3,
        run_count: 4,
        payload_len: 5,
        runs_checksum: 6,
        payload_checksum: 7,
    };
    assert_eq!(RecordHeader::decode(&record.encode()), Ok(record));
    assert_eq!(decode_journal_header(&encode_journal_header(9, 10)), Ok(9));
    for bit in 0..64 * 8 {
        let flipped = |mut bytes: [u8; 64]| {
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        assert!(Identity::decode(&flipped(IDENTITY.encode())).is_err());
        assert!(Activation::decode(&flipped(activation.encode())).is_err());
        assert!(RecordHeader::decode(&flipped(record.encode())).is_err());
    }
}

#[test]
fn index_reads_what_it_writes_and_refuses_anything_else() {
    let block = |offset| Block {
        offset,
        position: Position::new(offset),
        arrival: ServerTime::from_millis(1),
    };
    let summary = Summary {
        data_len: 9_000,
        counted_end: 8_000,
        first: Position::new(128),
        end: Position::new(9),
        entries: 2,
        arrival: Some((ServerTime::from_millis(1), ServerTime::from_millis(2))),
        producer: None,
    };
    let blocks = [block(128), block(500)];
    let bytes = encode_index(&IDENTITY, &summary, 12_288, &blocks);
    let read = decode_index(&bytes, &IDENTITY).unwrap();
    assert_eq!((read.summary, read.reserved), (summary, 12_288));
    assert_eq!(read.blocks, blocks);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_index(&flipped, &IDENTITY).is_err(), "bit {bit}");
    }
    let other = Identity { id: 5, ..IDENTITY };
    assert!(decode_index(&bytes, &other).is_err());
    assert!(decode_index(&bytes[..bytes.len() - 1], &IDENTITY).is_err());
    let unordered = encode_index(&IDENTITY, &summary, 0, &[block(500), block(128)]);
    assert!(decode_index(&unordered, &IDENTITY).is_err());
}
