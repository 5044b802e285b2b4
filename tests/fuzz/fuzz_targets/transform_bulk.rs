//! Any bytes as what a cluster answers, and as a record that it is sent: never a panic, an item for each document or
//! no answer, and no record that reaches beyond its line. The first byte says how many documents were sent.
#![no_main]

use afflux_transform::{BulkAnswer, Document, IndexSettings};
use afflux_types::ServerTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((count, bytes)) = input.split_first() else {
        return;
    };
    let sent = usize::from(*count);
    if let Ok(answer) = BulkAnswer::read(bytes, sent) {
        assert_eq!(answer.items.len(), sent, "each document has an item");
    }
    if Document::check(bytes).is_ok() {
        let index = IndexSettings::new("index".to_owned());
        let document = index.document(ServerTime::from_millis(0), "request", sent);
        let mut body = Vec::new();
        document.write(bytes, &mut body);
        let lines = body.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((lines, body.last()), (2, Some(&b'\n')), "two lines");
        assert!(!body.contains(&b'\r'), "nothing else ends a line");
    }
});
