//! The errors of the service: a code that clients match on, a sentence, and an HTTP status.

use crate::error::InBody;
use crate::macros::codes;

codes! {
    /// The caller has no right to this.
    AccessDenied = "AccessDeniedException", 400;
    /// The request would have succeeded, had it not been a dry run.
    DryRunOperation = "DryRunOperationException", 400;
    /// The iterator is older than five minutes.
    ExpiredIterator = "ExpiredIteratorException", 400;
    /// The paging token is older than five minutes.
    ExpiredNextToken = "ExpiredNextTokenException", 400;
    /// The `Authorization` header or the query lacks something.
    IncompleteSignature = "IncompleteSignatureException", 400;
    /// A fault of the server.
    InternalFailure = "InternalFailure", 500;
    /// A parameter is wrong in itself or beside another.
    InvalidArgument = "InvalidArgumentException", 400;
    /// The signature is wrong or stale.
    InvalidSignature = "InvalidSignatureException", 400;
    /// The master key may not be used.
    KmsAccessDenied = "KMSAccessDeniedException", 400;
    /// The master key is switched off.
    KmsDisabled = "KMSDisabledException", 400;
    /// The master key is in the wrong state.
    KmsInvalidState = "KMSInvalidStateException", 400;
    /// There is no such master key.
    KmsNotFound = "KMSNotFoundException", 400;
    /// The caller has not opted in.
    KmsOptInRequired = "KMSOptInRequired", 400;
    /// The key service is overloaded.
    KmsThrottling = "KMSThrottlingException", 400;
    /// A limit of the account or a rate of calls is exceeded.
    LimitExceeded = "LimitExceededException", 400;
    /// The request is not signed.
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 400;
    /// A shard's rate is exceeded.
    ProvisionedThroughputExceeded = "ProvisionedThroughputExceededException", 400;
    /// The thing exists already, or is not in the state that the operation needs.
    ResourceInUse = "ResourceInUseException", 400;
    /// There is no such thing.
    ResourceNotFound = "ResourceNotFoundException", 400;
    /// The body is broken or a member has the wrong type.
    Serialization = "SerializationException", 400;
    /// The server is stopping or its disk is full.
    ServiceUnavailable = "ServiceUnavailable", 503;
    /// Too many calls.
    Throttling = "ThrottlingException", 400;
    /// There is no such operation.
    UnknownOperation = "UnknownOperationException", 400;
    /// There is no such access key.
    UnrecognizedClient = "UnrecognizedClientException", 400;
    /// A constraint is broken, or the stream's mode does not allow the operation.
    Validation = "ValidationException", 400;
}

/// An error of the service.
pub type Error = crate::error::Error<Code>;

impl InBody for Code {}
