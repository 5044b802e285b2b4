//! Declares structures once: their fields, their members in a document and their constraints; the
//! codes of errors; and the operations with their requests.

/// The codes of a service's errors: their names and HTTP statuses. Those that every service has must be
/// among them.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)*) => {
        /// What went wrong, as clients match on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that clients match on.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status of an answer.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }

        impl crate::error::Codes for Code {
            const SERIALIZATION: Self = Self::Serialization;
            const VALIDATION: Self = Self::Validation;
            const INVALID_ARGUMENT: Self = Self::InvalidArgument;
            const MISSING_TOKEN: Self = Self::MissingAuthenticationToken;
            const INCOMPLETE_SIGNATURE: Self = Self::IncompleteSignature;
            const INVALID_SIGNATURE: Self = Self::InvalidSignature;
            const UNRECOGNIZED_CLIENT: Self = Self::UnrecognizedClient;
            const ACCESS_DENIED: Self = Self::AccessDenied;
            const UNKNOWN_OPERATION: Self = Self::UnknownOperation;

            fn name(self) -> &'static str {
                self.name()
            }

            fn status(self) -> u16 {
                self.status()
            }
        }
    };
}

/// The operations of a service by their classes, the variants of `Class`.
macro_rules! operations {
    ($(#[$doc:meta])* $($class:ident: $($name:ident)*;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[doc = concat!("`", stringify!($name), "`.")] $name,)*)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$($(Self::$name),*),*];

            /// The name of the operation, as in policies.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)*)* }
            }

            /// The part of the service that the operation belongs to.
            #[must_use]
            pub fn class(self) -> Class {
                match self { $($(Self::$name)|* => Class::$class,)* }
            }
        }

        impl std::fmt::Display for Operation {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

/// How requests name the operations of a service: `X-Amz-Target` is the prefix, a dot and the name.
/// The first format is that of answers to requests that name none.
macro_rules! targets {
    ($prefix:literal, $fallback:ident $($format:ident)*) => {
        /// What stands before the operation in `X-Amz-Target`.
        pub const TARGET_PREFIX: &str = $prefix;

        impl Operation {
            /// The operation of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                let mut all = Self::ALL.iter().copied();
                all.find(|operation| operation.name() == name)
            }

            /// The operation that a value of `X-Amz-Target` names.
            #[must_use]
            pub fn from_target(target: &str) -> Option<Self> {
                let (service, name) = target.split_once('.')?;
                (service == TARGET_PREFIX)
                    .then(|| Self::from_name(name))
                    .flatten()
            }
        }

        impl crate::http::Target for Operation {
            type Code = Code;
            const FALLBACK: crate::document::Format = crate::document::Format::$fallback;
            const FORMATS: &'static [crate::document::Format] = &[
                crate::document::Format::$fallback,
                $(crate::document::Format::$format),*
            ];

            fn from_target(target: &str) -> Option<Self> {
                Self::from_target(target)
            }
        }
    };
}

/// The operations that have a document, each with its input. Behind them stands a name for the others,
/// if there are any, which answer that they are not served.
macro_rules! requests {
    ($($name:ident($input:ident)),* $(,)? $(; $other:ident)?) => {
        /// An operation with its input.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("`", stringify!($name), "`.")] $name($input),)*
        }

        impl Request {
            /// The operation.
            #[must_use]
            pub fn operation(&self) -> Operation {
                match self { $(Self::$name(_) => Operation::$name,)* }
            }

            fn parse(
                operation: Operation,
                format: crate::document::Format,
                body: &bytes::Bytes,
            ) -> Result<Self, Error> {
                match operation {
                    $(Operation::$name => Ok(Self::$name(crate::parse::Decode::decode(format, body)?)),)*
                    $($other => Err($other
                        .unserved()
                        .unwrap_or_else(|| Error::bare(Code::UnknownOperation))),)?
                }
            }

            /// The members of an operation's input and their constraints; `None` for an operation
            /// that has no document or is known by name only.
            #[must_use]
            #[allow(unreachable_patterns, reason = "every operation of a service may have one")]
            pub fn shape(operation: Operation) -> Option<crate::validate::Shape> {
                match operation {
                    $(Operation::$name => Some(<$input as crate::parse::Structure>::SHAPE),)*
                    _ => None,
                }
            }
        }
    };
}

/// A structure that arrives in a request.
macro_rules! input {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $member:literal is $shape:expr),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl crate::parse::Structure for $name {
            const SHAPE: crate::validate::Shape = crate::validate::Shape::new(
                crate::validate::Kind::Structure(stringify!($name), &[
                    $(crate::validate::Member {
                        name: $member,
                        shape: &$shape,
                        required: <$type as crate::parse::Parse>::REQUIRED,
                    }),*
                ]),
            );
        }

        impl crate::parse::Parse for $name {
            fn parse(value: crate::document::Value<'_>, body: &bytes::Bytes) -> Option<Self> {
                let mut members = crate::parse::Members::new(value, body)?;
                let _ = &mut members;
                Some(Self { $($field: members.take($member)?),* })
            }
        }
    };
}

/// A structure that leaves in an answer.
macro_rules! output {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $member:literal),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $(<$life>)? crate::document::Encode for $name $(<$life>)? {
            fn encode(&self, to: &mut crate::document::Encoder) {
                to.begin_map();
                $(to.member($member, &self.$field);)*
                to.end_map();
            }
        }
    };
}

/// A structure that arrives in a request, is kept, and leaves in an answer.
macro_rules! both {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $member:literal is $shape:expr),* $(,)?
    }) => {
        crate::macros::input! {
            $(#[$doc])*
            $name { $($(#[$field_doc])* $field: $type = $member is $shape),* }
        }

        impl crate::document::Encode for $name {
            fn encode(&self, to: &mut crate::document::Encoder) {
                to.begin_map();
                $(to.member($member, &self.$field);)*
                to.end_map();
            }
        }
    };
}

/// One of a fixed set of words, in both directions. The order is that of the service's messages.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $variant,)*
        }

        impl $name {
            /// Every word, in the order in which the service lists them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// Text that is one of the words.
            pub const SHAPE: crate::validate::Shape =
                crate::validate::Shape::new(crate::validate::Kind::String).values(&[$($word),*]);

            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The variant behind a word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::document::Encode for $name {
            fn encode(&self, to: &mut crate::document::Encoder) {
                to.plain_text(self.as_str());
            }
        }

        impl crate::parse::Parse for $name {
            fn parse(value: crate::document::Value<'_>, _: &bytes::Bytes) -> Option<Self> {
                match value {
                    crate::document::Value::Str(word) => Self::from_word(&word),
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use {both, codes, input, operations, output, requests, targets, words};
