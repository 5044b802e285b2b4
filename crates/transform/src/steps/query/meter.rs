//! What running a query costs.
//!
//! A query is rewritten so that every step that may be repeated or make something large passes a tick, which
//! pays for the value that passes. When the fuel is used up, every further step fails: an error that the query
//! catches comes again.

use std::cell::Cell;

use jaq_core::data::HasLut;
use jaq_core::{DataT, Error, Lut};
use jaq_json::{Num, Val, ValR};

/// What a query may cost for one record: below a second of a core, whatever it does.
///
/// A tick costs one; so do 64 bytes of text and each element. The largest record has half a million elements.
pub(super) const FUEL: u64 = 2_000_000;

/// How deep values may be nested; deeper ones would need too much stack.
const DEPTH_MAX: u32 = 256;

/// Bytes of one text.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bits of whole numbers, which `jaq` does not bound.
const NUMBER_BITS_MAX: u64 = 1_024;

/// The kind of data that queries run on.
pub(super) struct Jq;

impl DataT for Jq {
    type V<'a> = Val;
    type Data<'a> = &'a Meter<'a>;
}

/// What is left of the fuel for one record.
pub(super) struct Meter<'a> {
    lut: &'a Lut<Jq>,
    fuel: Cell<u64>,
    now: f64,
}

impl<'a> HasLut<'a, Jq> for &'a Meter<'a> {
    fn lut(&self) -> &'a Lut<Jq> {
        self.lut
    }
}

/// What comes out of a step.
type Result<T> = std::result::Result<T, Error<Val>>;

impl<'a> Meter<'a> {
    pub(super) fn new(lut: &'a Lut<Jq>, fuel: u64, now: f64) -> Self {
        Self {
            lut,
            fuel: Cell::new(fuel),
            now,
        }
    }

    /// What a query takes for the time.
    pub(super) fn now(&self) -> f64 {
        self.now
    }

    fn pay(&self, cost: u64) -> Result<()> {
        let left = self.fuel.get().checked_sub(cost);
        self.fuel.set(left.unwrap_or(0));
        left.map(drop)
            .ok_or_else(|| Error::str("the query needs too many steps for this record"))
    }

    /// Pays for a value, which is `depth` levels deep in another, with everything in it.
    pub(super) fn pay_for(&self, value: &Val, depth: u32) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::str(format_args!(
                "a value is nested more than {DEPTH_MAX} deep"
            )));
        }
        match value {
            Val::Null | Val::Bool(_) | Val::Num(Num::Int(_) | Num::Float(_)) => self.pay(1),
            Val::Num(Num::BigInt(number)) if number.bits() > NUMBER_BITS_MAX => Err(Error::str(
                format_args!("a number has more than {NUMBER_BITS_MAX} bits"),
            )),
            Val::Num(Num::BigInt(_)) => self.pay(1),
            Val::Num(Num::Dec(digits)) => self.pay(text_cost(digits.len())),
            Val::BStr(text) | Val::TStr(text) => self.pay(text_cost(text.len())),
            Val::Arr(items) => {
                self.pay(1)?;
                items
                    .iter()
                    .try_for_each(|item| self.pay_for(item, depth + 1))
            }
            Val::Obj(members) => {
                self.pay(1)?;
                members.iter().try_for_each(|(name, value)| {
                    self.pay_for(name, depth + 1)?;
                    self.pay_for(value, depth + 1)
                })
            }
        }
    }

    /// Pays for work that is the product of two values, some times.
    pub(super) fn pay_pair(&self, left: &Val, right: &Val, times: u64) -> Result<()> {
        let product = weight(left).saturating_mul(weight(right));
        self.pay(product.saturating_mul(times) / 64)
    }

    /// Multiplies, unless a text would get too long.
    pub(super) fn multiply(&self, left: Val, right: Val) -> ValR {
        let (text, times) = match (&left, &right) {
            (Val::TStr(text) | Val::BStr(text), Val::Num(times))
            | (Val::Num(times), Val::TStr(text) | Val::BStr(text)) => (text.len(), times),
            _ => return left * right,
        };
        let length = match times {
            Num::Int(times) => text.saturating_mul(usize::try_from(*times).unwrap_or(0)),
            Num::BigInt(_) => usize::MAX,
            Num::Float(_) | Num::Dec(_) => 0,
        };
        if length > TEXT_BYTES_MAX {
            return Err(Error::str(format_args!(
                "a text would have more than {TEXT_BYTES_MAX} bytes"
            )));
        }
        left * right
    }
}

fn text_cost(bytes: usize) -> u64 {
    1 + u64::try_from(bytes / 64).unwrap_or(u64::MAX)
}

/// A measure for the work that a function does with a value, for functions that do not look deep.
fn weight(value: &Val) -> u64 {
    let weight = match value {
        Val::BStr(text) | Val::TStr(text) => text.len(),
        Val::Arr(items) => items.len().saturating_mul(64),
        Val::Obj(members) => members.len().saturating_mul(64),
        Val::Null | Val::Bool(_) | Val::Num(_) => 1,
    };
    u64::try_from(weight).unwrap_or(u64::MAX).saturating_add(1)
}
