//! The errors of the service: a code that clients match on, a sentence, and an HTTP status.

use crate::error::InBody;
use crate::macros::codes;

codes! {
    /// The caller has no right to this.
    AccessDenied = "AccessDeniedException", 400;
    /// The delivery stream has changed since the version that the request names.
    ConcurrentModification = "ConcurrentModificationException", 400;
    /// The `Authorization` header or the query lacks something.
    IncompleteSignature = "IncompleteSignatureException", 400;
    /// A fault of the server.
    InternalFailure = "InternalFailure", 500;
    /// A parameter is wrong in itself or beside another.
    InvalidArgument = "InvalidArgumentException", 400;
    /// The master key may not be used, or there is none.
    InvalidKmsResource = "InvalidKMSResourceException", 400;
    /// The signature is wrong or stale.
    InvalidSignature = "InvalidSignatureException", 400;
    /// Records cannot be put, since the delivery stream reads them elsewhere.
    InvalidSource = "InvalidSourceException", 400;
    /// A limit of the account or a rate of calls is exceeded.
    LimitExceeded = "LimitExceededException", 400;
    /// The request is not signed.
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 400;
    /// The thing exists already, or is not in the state that the operation needs.
    ResourceInUse = "ResourceInUseException", 400;
    /// There is no such thing.
    ResourceNotFound = "ResourceNotFoundException", 400;
    /// The body is broken or a member has the wrong type.
    Serialization = "SerializationException", 400;
    /// The server is stopping, its disk is full, or records come too fast; clients try again.
    ServiceUnavailable = "ServiceUnavailableException", 500;
    /// Too many calls.
    Throttling = "ThrottlingException", 400;
    /// There is no such operation.
    UnknownOperation = "UnknownOperationException", 400;
    /// There is no such access key.
    UnrecognizedClient = "UnrecognizedClientException", 400;
    /// A constraint of the model is broken.
    Validation = "ValidationException", 400;
}

/// An error of the service.
pub type Error = crate::error::Error<Code>;

impl InBody for Code {}
