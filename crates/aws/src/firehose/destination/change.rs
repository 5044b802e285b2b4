//! A destination is spoken of in three ways: set, changed and described. One list of members makes all
//! three.
//!
//! # Shape
//! [`destination!`] declares a configuration and its update, and how they are described. In an update no
//! member needs to be there. What it gives replaces what was, as a whole; only what has an update of its
//! own is changed member by member. What it does not give stays.

use crate::document::{Encode, Encoder};
use crate::firehose::{Code, Error};

/// What can be changed by `U`.
pub(super) trait Change<U>: Sized {
    /// What is there after a change of what was there, if anything was. `member` is how the update names
    /// it.
    ///
    /// # Errors
    /// `InvalidArgumentException` if nothing was there and the change lacks what must be.
    fn change(current: Option<&Self>, update: U, member: &'static str) -> Result<Self, Error>;
}

/// What must be there.
impl<T: Clone> Change<Option<Self>> for T {
    fn change(
        current: Option<&Self>,
        update: Option<Self>,
        member: &'static str,
    ) -> Result<Self, Error> {
        let found = update.or_else(|| current.cloned());
        found.ok_or_else(|| missing(member))
    }
}

/// What may be there.
impl<T: Clone> Change<Self> for Option<T> {
    fn change(current: Option<&Self>, update: Self, _: &'static str) -> Result<Self, Error> {
        Ok(update.or_else(|| current.cloned().flatten()))
    }
}

pub(super) fn missing(member: &str) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("{member} must be given: there is no earlier value."),
    )
}

/// What a description says otherwise than a configuration.
pub(super) trait Describe {
    /// Writes the description.
    fn describe(&self, to: &mut Encoder);
}

impl<T: Describe> Describe for Option<T> {
    fn describe(&self, to: &mut Encoder) {
        match self {
            Some(value) => value.describe(to),
            None => to.null(),
        }
    }
}

/// A configuration as it is described: without secrets, and under other names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Described<'a, T>(pub(super) &'a T);

impl<T: Describe + Encode> Encode for Described<'_, T> {
    fn encode(&self, to: &mut Encoder) {
        self.0.describe(to);
    }

    fn is_absent(&self) -> bool {
        self.0.is_absent()
    }
}

/// A configuration, its update and its description. `must` are members that a configuration needs, `may`
/// those that it may have; `fixed` are of the latter, but no update changes them; `nested` have types of their
/// own in a configuration and in an update, and three names.
macro_rules! destination {
    (
        $(#[$doc:meta])* $name:ident
        $(#[$update_doc:meta])* $update:ident
        must { $($(#[$must_doc:meta])* $must:ident: $must_type:ty = $must_member:literal is $must_shape:expr,)* }
        may { $($(#[$may_doc:meta])* $may:ident: $may_type:ty = $may_member:literal is $may_shape:expr,)* }
        $(fixed { $(
            $(#[$fixed_doc:meta])* $fixed:ident:
                $fixed_type:ty = $fixed_member:literal is $fixed_shape:expr,
                described as $fixed_described:literal;
        )* })?
        nested { $(
            $(#[$nested_doc:meta])* $nested:ident:
                $nested_type:ty = $nested_member:literal is $nested_shape:expr,
                changed by $change_type:ty = $change_member:literal is $change_shape:expr,
                described as $described_member:literal;
        )* }
    ) => {
        crate::macros::both! {
            $(#[$doc])*
            $name {
                $($(#[$must_doc])* $must: $must_type = $must_member is $must_shape,)*
                $($(#[$may_doc])* $may: Option<$may_type> = $may_member is $may_shape,)*
                $($($(#[$fixed_doc])* $fixed: Option<$fixed_type> = $fixed_member is $fixed_shape,)*)?
                $($(#[$nested_doc])* $nested: $nested_type = $nested_member is $nested_shape,)*
            }
        }

        crate::macros::input! {
            $(#[$update_doc])*
            $update {
                $($(#[$must_doc])* $must: Option<$must_type> = $must_member is $must_shape,)*
                $($(#[$may_doc])* $may: Option<$may_type> = $may_member is $may_shape,)*
                $($(#[$nested_doc])* $nested: Option<$change_type> = $change_member is $change_shape,)*
            }
        }

        impl Change<$update> for $name {
            fn change(
                current: Option<&Self>,
                update: $update,
                _: &'static str,
            ) -> Result<Self, Error> {
                Ok(Self {
                    $($must: Change::change(current.map(|it| &it.$must), update.$must, $must_member)?,)*
                    $($may: Change::change(current.map(|it| &it.$may), update.$may, $may_member)?,)*
                    $($($fixed: current.and_then(|it| it.$fixed.clone()),)*)?
                    $($nested: Change::change(current.map(|it| &it.$nested), update.$nested, $change_member)?,)*
                })
            }
        }

        impl Describe for $name {
            fn describe(&self, to: &mut Encoder) {
                to.begin_map();
                $(to.member($must_member, &self.$must);)*
                $(to.member($may_member, &self.$may);)*
                $($(to.member($fixed_described, &self.$fixed);)*)?
                $(to.member($described_member, &Described(&self.$nested));)*
                to.end_map();
            }
        }
    };
}

pub(super) use destination;
