//! Writes answers: one pass, one buffer, either format.
//!
//! An answer of 10 MB is mostly blobs. They go from where they lie straight into the buffer, through
//! base64 in JSON and by one copy in CBOR; nothing is built in between. Maps and lists are written
//! with indefinite lengths in CBOR, as the service does, so that nobody has to count ahead.

use bytes::Bytes;

use super::Format;

/// Something that an [`Encoder`] can write.
pub trait Encode {
    /// Writes the value.
    fn encode(&self, to: &mut Encoder);

    /// Whether a member that holds this is left out.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Appends values to one buffer.
///
/// The caller keeps the order: every `begin_*` has its `end_*`, and inside a map a key precedes each
/// value.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
    out: Vec<u8>,
    /// JSON: a value or an end stands before here, so that the next value needs a comma.
    comma: bool,
}

impl Encoder {
    /// An encoder with room for `capacity` bytes.
    #[must_use]
    pub fn new(format: Format, capacity: usize) -> Self {
        Self {
            format,
            out: Vec::with_capacity(capacity),
            comma: false,
        }
    }

    /// An encoder that appends to what is in `out`.
    #[must_use]
    pub fn appending(format: Format, out: Vec<u8>) -> Self {
        Self {
            format,
            out,
            comma: false,
        }
    }

    /// Writes `value` and returns the whole.
    #[must_use]
    pub fn to_bytes(format: Format, capacity: usize, value: &impl Encode) -> Bytes {
        let mut encoder = Self::new(format, capacity);
        value.encode(&mut encoder);
        encoder.finish()
    }

    /// What has been written.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.out.into()
    }

    /// What has been written, to be appended to.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }

    /// The format that is written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Starts a map.
    pub fn begin_map(&mut self) {
        self.begin(b'{', 0xbf);
    }

    /// Ends a map.
    pub fn end_map(&mut self) {
        self.end(b'}');
    }

    /// Starts a list.
    pub fn begin_list(&mut self) {
        self.begin(b'[', 0x9f);
    }

    /// Ends a list.
    pub fn end_list(&mut self) {
        self.end(b']');
    }

    /// Writes a member of a structure, unless it is absent. `name` is plain ASCII.
    pub fn member(&mut self, name: &'static str, value: &(impl Encode + ?Sized)) {
        if !value.is_absent() {
            self.name(name);
            value.encode(self);
        }
    }

    /// Writes a structure member's name; its value must follow.
    pub fn name(&mut self, name: &'static str) {
        match self.format {
            Format::Json => {
                self.separate();
                self.out.push(b'"');
                self.out.extend_from_slice(name.as_bytes());
                self.out.extend_from_slice(b"\":");
                self.comma = false;
            }
            Format::Cbor => self.cbor_text(name),
        }
    }

    /// Writes a map's key, which may be any text; its value must follow.
    pub fn key(&mut self, key: &str) {
        self.text(key);
        if self.format == Format::Json {
            self.out.push(b':');
            self.comma = false;
        }
    }

    /// Writes nothing, as a value.
    pub fn null(&mut self) {
        self.raw(b"null", &[0xf6]);
    }

    /// Writes true or false.
    pub fn boolean(&mut self, value: bool) {
        match value {
            false => self.raw(b"false", &[0xf4]),
            true => self.raw(b"true", &[0xf5]),
        }
    }

    /// Writes a whole number.
    pub fn integer(&mut self, value: i64) {
        match self.format {
            Format::Json => {
                self.separate();
                self.json(&value);
            }
            Format::Cbor => self.cbor_integer(value),
        }
    }

    /// Writes a number with a fraction; JSON has no infinities and gets null.
    pub fn float(&mut self, value: f64) {
        match self.format {
            Format::Json => {
                self.separate();
                self.json(&value);
            }
            Format::Cbor => {
                self.out.push(0xfb);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    /// Writes text.
    pub fn text(&mut self, value: &str) {
        match self.format {
            Format::Json => {
                self.separate();
                self.json(value);
            }
            Format::Cbor => self.cbor_text(value),
        }
    }

    /// Writes text of letters, digits and punctuation that JSON need not escape.
    pub fn plain_text(&mut self, value: &str) {
        debug_assert!(
            value
                .bytes()
                .all(|b| (b' '..0x7f).contains(&b) && b != b'"' && b != b'\\'),
            "{value:?} needs escapes"
        );
        match self.format {
            Format::Json => {
                self.separate();
                self.out.push(b'"');
                self.out.extend_from_slice(value.as_bytes());
                self.out.push(b'"');
            }
            Format::Cbor => self.cbor_text(value),
        }
    }

    /// Writes bytes.
    pub fn blob(&mut self, value: &[u8]) {
        match self.format {
            Format::Json => {
                self.separate();
                self.out.push(b'"');
                base64_simd::STANDARD.encode_append(value, &mut self.out);
                self.out.push(b'"');
            }
            Format::Cbor => {
                self.cbor_head(2, length(value));
                self.out.extend_from_slice(value);
            }
        }
    }

    /// Writes a time.
    ///
    /// # Units
    /// Milliseconds since 1970-01-01 UTC.
    pub fn timestamp(&mut self, millis: i64) {
        match self.format {
            Format::Json => {
                self.separate();
                if millis < 0 {
                    self.out.push(b'-');
                }
                let millis = millis.unsigned_abs();
                self.json(&(millis / 1_000));
                let fraction = millis % 1_000;
                let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or(0);
                self.out.extend_from_slice(&[
                    b'.',
                    digit(fraction / 100),
                    digit(fraction / 10),
                    digit(fraction),
                ]);
            }
            Format::Cbor => {
                self.out.push(0xc1);
                self.cbor_integer(millis);
            }
        }
    }

    fn begin(&mut self, json: u8, cbor: u8) {
        match self.format {
            Format::Json => {
                self.separate();
                self.out.push(json);
                self.comma = false;
            }
            Format::Cbor => self.out.push(cbor),
        }
    }

    fn end(&mut self, json: u8) {
        match self.format {
            Format::Json => {
                self.out.push(json);
                self.comma = true;
            }
            Format::Cbor => self.out.push(0xff),
        }
    }

    fn raw(&mut self, json: &[u8], cbor: &[u8]) {
        match self.format {
            Format::Json => {
                self.separate();
                self.out.extend_from_slice(json);
            }
            Format::Cbor => self.out.extend_from_slice(cbor),
        }
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.out, value).expect("numbers and text always serialize");
    }

    fn cbor_text(&mut self, text: &str) {
        self.cbor_head(3, length(text.as_bytes()));
        self.out.extend_from_slice(text.as_bytes());
    }

    fn cbor_integer(&mut self, value: i64) {
        // CBOR holds a negative number n as -1 - n, which is its complement.
        match u64::try_from(value) {
            Ok(value) => self.cbor_head(0, value),
            Err(_) => self.cbor_head(1, (!value).unsigned_abs()),
        }
    }

    fn cbor_head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        if let Ok(small) = u8::try_from(argument) {
            match small {
                0..=23 => self.out.push(major | small),
                _ => self.out.extend_from_slice(&[major | 24, small]),
            }
        } else if let Ok(argument) = u16::try_from(argument) {
            self.out.push(major | 25);
            self.out.extend_from_slice(&argument.to_be_bytes());
        } else if let Ok(argument) = u32::try_from(argument) {
            self.out.push(major | 26);
            self.out.extend_from_slice(&argument.to_be_bytes());
        } else {
            self.out.push(major | 27);
            self.out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
