//! The calls of a transformer: a program elsewhere that changes records, as Firehose calls a Lambda function.
//!
//! # Shape
//! [`Call::next`] takes records for one call, [`Call::request`] is what the function is told, [`Call::answer`]
//! reads what it says, and [`Call::settle`] gives the records that go on and those that failed.
//!
//! # Invariants
//! - Of every record of a call one thing becomes: it goes on, failed, or vanishes because the function
//!   dropped it.
//! - A record has the same id in every attempt of a call, and no other record of the call has it.
//! - An answer that can be read is final and counts record by record: what it says wrongly of one record
//!   harms no other. Only a call without such an answer can be tried again.
//! - What an answer makes us keep is bounded by [`CALL_BYTES_MAX`], whatever it claims.

mod answer;
mod error;
mod request;
mod settings;
#[cfg(test)]
mod tests;

use std::iter::Peekable;

pub use answer::Answer;
pub use error::TransformerError;
pub use request::Caller;
pub use settings::TransformerSettings;

use crate::{ErrorOutput, Failed, Record};

/// Bytes of a request or of an answer: what Lambda takes and gives at a time, 6 MB and a little.
pub const CALL_BYTES_MAX: usize = 6_291_556;
/// Records of one call.
const RECORDS_MAX: usize = 10_000;

/// Records that are given to a transformer together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// At most [`RECORDS_MAX`], so that their indexes have few digits.
    records: Vec<Record>,
}

impl Call {
    /// Takes the records of the next call; none if there are none.
    ///
    /// A record alone may be more than `buffer_bytes`, and then even its request may be too large.
    pub fn next(
        records: &mut Peekable<impl Iterator<Item = Record>>,
        buffer_bytes: u64,
    ) -> Option<Self> {
        let first = records.next()?;
        let (mut payload, mut body) = (first.data.len(), request::len_max(&first));
        let mut call = Self {
            records: vec![first],
        };
        let buffer_bytes = usize::try_from(buffer_bytes).unwrap_or(usize::MAX);
        while call.records.len() < RECORDS_MAX
            && let Some(record) = records.next_if(|record| {
                payload += record.data.len();
                body += request::len_max(record);
                payload <= buffer_bytes && body <= CALL_BYTES_MAX - request::ENVELOPE_BYTES
            })
        {
            call.records.push(record);
        }
        Some(call)
    }

    /// The body of a request, for one attempt to have it answered.
    ///
    /// # Errors
    /// `RequestTooLarge` if nothing would take it; trying again does not help.
    pub fn request(
        &self,
        caller: &Caller,
        invocation: [u8; 16],
    ) -> Result<Vec<u8>, TransformerError> {
        let body = request::write(caller, invocation, &self.records);
        match body.len() > CALL_BYTES_MAX {
            true => Err(TransformerError::RequestTooLarge),
            false => Ok(body),
        }
    }

    /// Reads the body of an answer.
    ///
    /// # Errors
    /// `AnswerTooLarge`, `Unreadable`, or `Function` if it says that the function failed.
    pub fn answer(&self, body: &[u8]) -> Result<Answer, TransformerError> {
        if body.len() > CALL_BYTES_MAX {
            return Err(TransformerError::AnswerTooLarge);
        }
        answer::read(body, &self.records)
    }

    /// What becomes of the records after so many attempts: those that go on, changed, and those that failed.
    #[must_use]
    pub fn settle(
        self,
        outcome: Result<Answer, TransformerError>,
        attempts: u32,
        settings: &TransformerSettings,
    ) -> (Vec<Record>, Vec<Failed>) {
        let (mut records, mut failed) = (Vec::new(), Vec::new());
        let mut fail = |record, error: TransformerError| {
            failed.push(Failed {
                record,
                output: ErrorOutput::Processing,
                code: error.code().into(),
                message: error.to_string(),
                attempts,
                transformer: Some(settings.arn.clone()),
                document: None,
            });
        };
        match outcome {
            Err(error) => self
                .records
                .into_iter()
                .for_each(|record| fail(record, error)),
            Ok(answer) => {
                for (mut record, said) in self.records.into_iter().zip(answer.into_said()) {
                    match said {
                        Ok(Some(changed)) => {
                            record.data = changed.data;
                            record.keys.transformer = changed.keys;
                            records.push(record);
                        }
                        Ok(None) => {}
                        Err(error) => fail(record, error),
                    }
                }
            }
        }
        (records, failed)
    }
}
