//! The entries of a slice, one by one, as views of it.

use afflux_entry::{HEADER_LEN, Header};
use afflux_types::{Error, ErrorKind, Result};
use bytes::Bytes;

/// An entry as it stands in the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What its header says.
    pub header: Header,
    /// Header and body.
    pub bytes: Bytes,
}

impl Entry {
    /// The body, or nothing of an entry that is cut.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.bytes.slice(HEADER_LEN.min(self.bytes.len())..)
    }
}

/// Cuts a slice into its entries.
///
/// Yields one error and then ends if the slice is damaged.
pub fn entries(slice: Bytes) -> impl Iterator<Item = Result<Entry>> + Send {
    let mut rest = slice;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = cut(&mut rest);
        if entry.is_err() {
            rest.clear();
        }
        Some(entry)
    })
}

fn cut(rest: &mut Bytes) -> Result<Entry> {
    let lost = |what: &str| Error::new(ErrorKind::DataLoss, what);
    let header = Header::decode(rest)
        .map_err(|error| lost("read the header of a stored entry").with_source(error))?;
    let len = header.entry_len();
    if len > rest.len() {
        return Err(lost("a stored entry is cut"));
    }
    Ok(Entry {
        header,
        bytes: rest.split_to(len),
    })
}
