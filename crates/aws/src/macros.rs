//! Declares structures once: their fields, their members in a document and their constraints; and
//! the codes of errors.

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
            const MISSING_TOKEN: Self = Self::MissingAuthenticationToken;
            const INCOMPLETE_SIGNATURE: Self = Self::IncompleteSignature;
            const INVALID_SIGNATURE: Self = Self::InvalidSignature;
            const UNRECOGNIZED_CLIENT: Self = Self::UnrecognizedClient;

            fn name(self) -> &'static str {
                self.name()
            }

            fn status(self) -> u16 {
                self.status()
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

pub(crate) use {codes, input, output, words};
