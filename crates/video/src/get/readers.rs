//! How many read the live end of each stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use afflux_types::StreamName;
use parking_lot::Mutex;

use crate::limits::MEDIA_READERS_MAX;

/// The readers of all streams; a cheap handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readers(Arc<Mutex<BTreeMap<StreamName, usize>>>);

/// One reader; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Reading {
    readers: Readers,
    stream: StreamName,
}

impl Readers {
    /// Counts one more reader, unless there are too many.
    pub(super) fn enter(&self, stream: &StreamName) -> Option<Reading> {
        let mut counts = self.0.lock();
        let count = counts.entry(stream.clone()).or_default();
        if *count >= MEDIA_READERS_MAX {
            return None;
        }
        *count += 1;
        Some(Reading {
            readers: self.clone(),
            stream: stream.clone(),
        })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut counts = self.readers.0.lock();
        if let Some(count) = counts.get_mut(&self.stream) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_bounded_and_leave_nothing_behind() {
        let readers = Readers::default();
        let stream = StreamName::new("camera").unwrap();
        let inside: Vec<_> = (0..MEDIA_READERS_MAX)
            .map(|_| readers.enter(&stream).unwrap())
            .collect();
        assert!(readers.enter(&stream).is_none());
        assert!(readers.enter(&StreamName::new("other").unwrap()).is_some());
        drop(inside);
        assert!(readers.0.lock().is_empty());
    }
}
