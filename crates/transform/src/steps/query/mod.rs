//! Metadata extraction: a jq query finds the partition of a record.
//!
//! # Shape
//! The query is checked and compiled once (`rewrite`) and runs in `jaq`, with a meter (`meter`). It must give one
//! object whose values are text, numbers or booleans.
//!
//! # Invariants
//! - A query ends, and within a bound of work and memory, whatever a record brings: nothing recurses that was not
//!   recursive in the standard library, each step of a loop is paid for, and so is each byte that a step makes.
//! - A query sees the record only: no clock, no environment, no other input. `now` is when the record arrived, so
//!   that the same record always has the same partition.
//!
//! # Differences from jq 1.6
//! Whole numbers stay exact up to 64 bits, where jq 1.6 rounds above 2⁵³. `@csv`, `@tsv`, `combinations`, and the
//! functions for streams and in the style of SQL are missing; so are functions of the user that take filters.

mod meter;
mod natives;
mod number;
mod rewrite;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use afflux_types::ServerTime;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use jaq_json::Val;

use super::Failure;
use crate::failed::PARTITION_CODE;
use crate::{ErrorOutput, Fault};
use meter::{FUEL, Jq, Meter};

/// Bytes of a query: what a parameter of a processor may have.
const QUERY_BYTES_MAX: usize = 5_120;

/// Bytes of one value: a key of S3 has no more.
pub(crate) const VALUE_BYTES_MAX: usize = 1_024;

/// A compiled query.
pub(super) struct Query {
    filter: Filter<Jq>,
    fuel: u64,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").finish_non_exhaustive()
    }
}

impl Query {
    /// Checks and compiles a query.
    pub(super) fn compile(text: &str) -> Result<Self, Fault> {
        compile(text).map_err(|reason| Fault::Query { reason })
    }

    /// The partition keys of a record, which arrived at some time.
    pub(super) fn run(
        &self,
        data: &[u8],
        arrival: ServerTime,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let input = serde_json::from_slice(data)
            .map_err(|error| failure(format!("Non JSON record provided: {error}")))?;
        // `jaq` has arithmetic that panics where it overflows. What is known of it is guarded; what is not
        // must cost one record, not the delivery stream.
        let result = catch_unwind(AssertUnwindSafe(|| self.values(input, arrival)));
        result.unwrap_or_else(|_| Err(failure("the query cannot be computed".to_owned())))
    }

    fn values(&self, input: Val, arrival: ServerTime) -> Result<BTreeMap<String, String>, Failure> {
        let now = arrival.as_millis() as f64 / 1_000.0;
        let meter = Meter::new(&self.filter.lut, self.fuel, now);
        let context = Ctx::<Jq>::new(&meter, Vars::new([]));
        let mut outputs = self.filter.id.run((context, input)).map(unwrap_valr);
        let first = outputs.next();
        let (Some(output), None) = (first, outputs.next()) else {
            return Err(failure("the query does not give one object".to_owned()));
        };
        let Val::Obj(object) = output.map_err(|error| failure(error.to_string()))? else {
            return Err(failure("the query does not give an object".to_owned()));
        };
        let pairs = object.iter().map(|(name, value)| pair(name, value));
        pairs.collect()
    }
}

fn compile(text: &str) -> Result<Query, String> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(format!("it has more than {QUERY_BYTES_MAX} bytes"));
    }
    let prelude = rewrite::prelude(text)?;
    let arena = Arena::default();
    let program = File {
        code: rewrite::MAIN,
        path: (),
    };
    let modules = Loader::new(prelude)
        .load(&arena, program)
        .map_err(|_| "it cannot be parsed".to_owned())?;
    let filter = Compiler::default()
        .with_funs(natives::all())
        .compile(modules)
        .map_err(|errors| {
            let undefined = errors.into_iter().flat_map(|(_, undefined)| undefined);
            let names: Vec<&str> = undefined.map(|(name, _)| name).collect();
            format!("it uses {}, which is not known here", names.join(", "))
        })?;
    Ok(Query { filter, fuel: FUEL })
}

fn pair(name: &Val, value: &Val) -> Result<(String, String), Failure> {
    let text = match value {
        Val::TStr(text) => String::from_utf8_lossy(text).into_owned(),
        Val::Bool(value) => value.to_string(),
        Val::Num(number) => number::text(number),
        Val::Null => String::new(),
        Val::BStr(_) | Val::Arr(_) | Val::Obj(_) => {
            return Err(failure(format!("the value of {name} is not a scalar")));
        }
    };
    if text.is_empty() {
        return Err(failure(
            "partitionKeys values must not be null or empty".to_owned(),
        ));
    }
    if text.len() > VALUE_BYTES_MAX {
        return Err(failure(format!(
            "the value of {name} has {} bytes; {VALUE_BYTES_MAX} are the most",
            text.len()
        )));
    }
    let Val::TStr(name) = name else {
        return Err(failure(format!("the name {name} is not a string")));
    };
    Ok((String::from_utf8_lossy(name).into_owned(), text))
}

fn failure(message: String) -> Failure {
    Failure {
        output: ErrorOutput::Processing,
        code: PARTITION_CODE,
        message,
    }
}

#[cfg(test)]
mod tests;
