//! The errors of the services: a code in a header, a sentence in the body, and an HTTP status.

use bytes::Bytes;

use crate::document::{Encode, Encoder, Format};
use crate::macros::codes;

codes! {
    /// The caller has no right to this.
    AccessDenied = "AccessDeniedException", 403;
    /// A limit of the account, of a stream or of a rate of calls is exceeded.
    ClientLimitExceeded = "ClientLimitExceededException", 400;
    /// Too many connections of a kind to one stream.
    ConnectionLimitExceeded = "ConnectionLimitExceededException", 400;
    /// The account has as many streams as it may.
    AccountStreamLimitExceeded = "AccountStreamLimitExceededException", 400;
    /// The `Authorization` header or the query lacks something.
    IncompleteSignature = "IncompleteSignatureException", 403;
    /// A fault of the server.
    InternalFailure = "InternalFailure", 500;
    /// A parameter is wrong in itself or beside another.
    InvalidArgument = "InvalidArgumentException", 400;
    /// The codec's private data cannot be read.
    InvalidCodecPrivateData = "InvalidCodecPrivateDataException", 400;
    /// The device is not one.
    InvalidDevice = "InvalidDeviceException", 400;
    /// The endpoint does not serve the operation for this stream.
    InvalidEndpoint = "InvalidEndpointException", 400;
    /// A frame cannot be put into a clip.
    InvalidMediaFrame = "InvalidMediaFrameException", 400;
    /// An ARN is malformed.
    InvalidResourceFormat = "InvalidResourceFormatException", 400;
    /// The signature is wrong or stale.
    InvalidSignature = "InvalidSignatureException", 403;
    /// The stream's tracks hold no private data of their codec.
    MissingCodecPrivateData = "MissingCodecPrivateDataException", 400;
    /// The request is not signed.
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 403;
    /// The stream keeps nothing that could be read again.
    NoDataRetention = "NoDataRetentionException", 400;
    /// A session's token is wrong or too old.
    NotAuthorized = "NotAuthorizedException", 401;
    /// The thing exists already, or is not in the state that the operation needs.
    ResourceInUse = "ResourceInUseException", 400;
    /// There is no such thing, or nothing of it in that time.
    ResourceNotFound = "ResourceNotFoundException", 404;
    /// The body is broken or a member has the wrong type.
    Serialization = "SerializationException", 400;
    /// The server is stopping or its disk is full.
    ServiceUnavailable = "ServiceUnavailableException", 503;
    /// The resource has too many tags.
    TagsPerResourceExceededLimit = "TagsPerResourceExceededLimitException", 400;
    /// There is no such operation.
    UnknownOperation = "UnknownOperationException", 404;
    /// There is no such access key.
    UnrecognizedClient = "UnrecognizedClientException", 403;
    /// The stream's codecs cannot be put into what was asked for.
    UnsupportedStreamMediaType = "UnsupportedStreamMediaTypeException", 400;
    /// A constraint of the model is broken.
    Validation = "ValidationException", 400;
    /// The stream has changed since the version that the request names.
    VersionMismatch = "VersionMismatchException", 400;
}

/// An error of the services.
pub type Error = crate::error::Error<Code>;

impl Error {
    /// The body of the answer; the code stands in its head.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Encoder::to_bytes(Format::Json, 256, self)
    }
}

impl Encode for Error {
    fn encode(&self, to: &mut Encoder) {
        to.begin_map();
        to.member("Message", &self.message());
        to.end_map();
    }
}
