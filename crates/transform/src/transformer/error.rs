//! Why a transformer did not change a record: with the codes and, where they are known, the words of Firehose.

use super::CALL_BYTES_MAX;
use crate::failed::PARTITION_CODE;

/// Why a call, or what it says of one record, came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformerError {
    /// The function does not want to be called by us.
    #[error(
        "Access was denied. Ensure that the access policy allows access to the Lambda function."
    )]
    Denied,
    /// There is no function where it should be.
    #[error(
        "The specified Lambda function does not exist. Use a different function that does exist."
    )]
    NotFound,
    /// The function is called too often.
    #[error(
        "The Lambda concurrent execution limit is exceeded. Increase the concurrent execution limit."
    )]
    LimitExceeded,
    /// There was no answer in time.
    #[error("Request did not complete before the request timeout configuration setting.")]
    TimedOut,
    /// There was no connection, or it ended before the answer.
    #[error("Target server failed to respond when calling the Lambda function.")]
    NoAnswer,
    /// What runs the function failed, with this status.
    #[error("The Lambda service failed with HTTP status {0} when calling the Lambda function.")]
    Service(u16),
    /// The function said that it failed.
    #[error("The Lambda function was successfully invoked but it returned an error result.")]
    Function,
    /// The answer is more than can be taken.
    #[error(
        "The Lambda function returned more than the {CALL_BYTES_MAX} bytes that an answer may have."
    )]
    AnswerTooLarge,
    /// The record alone is more than can be given.
    #[error(
        "The record is too large for a call of the Lambda function, which may have {CALL_BYTES_MAX} bytes."
    )]
    RequestTooLarge,
    /// The answer is not JSON of the form that it must have.
    #[error(
        "There was an error parsing returned records from the Lambda function. Ensure that the returned \
         records follow the status model required by Firehose."
    )]
    Unreadable,
    /// The answer says nothing of the record.
    #[error(
        "One or more record Ids were not returned. Ensure that the Lambda function returns all received \
         record Ids."
    )]
    Missing,
    /// The answer has the record twice.
    #[error(
        "Multiple records were returned with the same record Id. Ensure that the Lambda function returns a \
         unique record Id for each record."
    )]
    Duplicated,
    /// The function could not change the record, and says so.
    #[error("ProcessingFailed status set for record")]
    ProcessingFailed,
    /// The record was changed into nothing.
    #[error(
        "The data field cannot be null when the SourceType is DirectPut or KinesisStreamAsSource and \
         processing result is Ok. The value field cannot be null when the SourceType is MSKAsSource and \
         processing result is Ok."
    )]
    NoData,
    /// The result is none of the three that there are, or the data are not base64.
    #[error(
        "Check your function and make sure the output is in required format. In addition to that, make sure \
         the processed records contain valid result status of Dropped, Ok, or ProcessingFailed"
    )]
    Form,
    /// The record's partition keys are too many, not scalars, too long or empty.
    #[error("partitionKeys values must not be null or empty")]
    PartitionKeys,
}

impl TransformerError {
    /// Of a request that was answered with this HTTP status instead of success.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Denied,
            404 => Self::NotFound,
            429 => Self::LimitExceeded,
            500.. => Self::Service(status),
            _ => Self::Function,
        }
    }

    /// The code that an error object has.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Denied => "Lambda.InvokeAccessDenied",
            Self::NotFound => "Lambda.ResourceNotFound",
            Self::LimitExceeded => "Lambda.InvokeLimitExceeded",
            Self::TimedOut => "Lambda.FunctionRequestTimedOut",
            Self::NoAnswer => "Lambda.TargetServerFailedToRespond",
            Self::Service(503) => "Lambda.ServiceUnavailable",
            Self::Service(_) => "Lambda.InternalServerError",
            Self::Function | Self::AnswerTooLarge | Self::RequestTooLarge | Self::Form => {
                "Lambda.FunctionError"
            }
            Self::Unreadable => "Lambda.JsonProcessingException",
            Self::Missing => "Lambda.MissingRecordId",
            Self::Duplicated => "Lambda.DuplicatedRecordId",
            Self::ProcessingFailed => "Lambda.ProcessingFailedStatus",
            Self::NoData => "Lambda.InvalidReturnFormat",
            Self::PartitionKeys => PARTITION_CODE,
        }
    }
}
