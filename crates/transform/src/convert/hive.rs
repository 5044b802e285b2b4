//! Types of columns, as Hive and the Glue catalog write them: `int`, `decimal(10,2)`, `array<struct<a:int>>`.
//!
//! # Invariants
//! - A type nests [`DEPTH_MAX`] deep at most, whatever its text is.
//! - What is not understood is refused by its name: nothing is guessed.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// How deep types nest.
pub(super) const DEPTH_MAX: usize = 16;
/// Characters of a type, as in the Glue catalog.
const TEXT_CHARS_MAX: usize = 131_072;
/// Digits of a decimal.
pub(super) const PRECISION_MAX: u8 = 38;
const CHAR_MAX: u32 = 255;
const VARCHAR_MAX: u32 = 65_535;

/// The type of a column, or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    /// With the most characters that a value may have.
    Text(Option<u32>),
    Binary,
    Timestamp,
    /// A timestamp that says that it is in UTC, which Hive does not have.
    Instant,
    Date,
    /// With its digits, and those of them that stand behind the point.
    Decimal(u8, u8),
    List(Box<Self>),
    Map(Box<Self>, Box<Self>),
    Struct(Vec<(String, Self)>),
    /// Of a field that has an id, which Hive does not give.
    Marked(Mark, Box<Self>),
}

/// What a table says of a field besides its name and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) id: i32,
    /// Whether no value may be missing.
    pub(super) is_required: bool,
}

/// Why a text is not the type of a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TypeError {
    #[error("{0:?} is not a type that is converted")]
    Unknown(String),
    #[error("{expected:?} is missing before {rest:?}")]
    Missing { expected: char, rest: String },
    #[error("{0:?} stands behind its end")]
    Rest(String),
    #[error("{kind} cannot have the parameter {value:?}")]
    Parameter { kind: &'static str, value: String },
    #[error("the keys of a map are of a simple type")]
    Key,
    #[error("{0:?} cannot be the name of a field")]
    Name(String),
    #[error("it nests more than {DEPTH_MAX} deep")]
    Deep,
    #[error("it has more than {TEXT_CHARS_MAX} characters")]
    Long,
    #[error("the columns and their parts are more than {max}")]
    Many { max: usize },
}

impl Type {
    /// Reads a type, and takes the number of its parts from `left`, of which there were `max`.
    pub(super) fn parse(text: &str, left: &mut usize, max: usize) -> Result<Self, TypeError> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(TypeError::Long);
        }
        let mut parser = Parser {
            rest: text,
            left,
            max,
        };
        let kind = parser.kind(1)?;
        match parser.rest.trim() {
            "" => Ok(kind),
            rest => Err(TypeError::Rest(shown(rest))),
        }
    }

    /// The type in Arrow, which says what it is in Parquet.
    pub(super) fn arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Text(_) => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Date => DataType::Date32,
            Self::Decimal(precision, scale) => {
                // At most 38.
                DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
            }
            Self::List(element) => DataType::List(Arc::new(element.field("element"))),
            Self::Map(key, value) => {
                let entry = Fields::from(vec![
                    key.field("key").with_nullable(false),
                    value.field("value"),
                ]);
                let entries = Field::new("key_value", DataType::Struct(entry), false);
                DataType::Map(Arc::new(entries), false)
            }
            Self::Struct(fields) => {
                let fields = fields.iter().map(|(name, kind)| kind.field(name));
                DataType::Struct(fields.collect())
            }
            Self::Marked(_, kind) => kind.arrow(),
        }
    }

    /// A field of this type, whose values may be missing unless its mark says otherwise.
    pub(super) fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.arrow(), true);
        match self {
            Self::Marked(Mark { id, is_required }, _) => {
                let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string());
                field.with_nullable(!is_required).with_metadata([id].into())
            }
            _ => field,
        }
    }

    fn is_simple(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(..) | Self::Struct(_))
    }
}

struct Parser<'a> {
    rest: &'a str,
    left: &'a mut usize,
    max: usize,
}

impl<'a> Parser<'a> {
    fn kind(&mut self, depth: usize) -> Result<Type, TypeError> {
        if depth > DEPTH_MAX {
            return Err(TypeError::Deep);
        }
        let left = self.left.checked_sub(1);
        *self.left = left.ok_or(TypeError::Many { max: self.max })?;
        let word = self.until(|c| !c.is_ascii_alphanumeric() && c != '_');
        Ok(match word.to_ascii_lowercase().as_str() {
            "boolean" => Type::Boolean,
            "tinyint" => Type::TinyInt,
            "smallint" => Type::SmallInt,
            "int" | "integer" => Type::Int,
            "bigint" => Type::BigInt,
            "float" => Type::Float,
            "double" => Type::Double,
            "string" => Type::Text(None),
            "char" => Type::Text(Some(self.chars("char", CHAR_MAX)?)),
            "varchar" => Type::Text(Some(self.chars("varchar", VARCHAR_MAX)?)),
            "binary" => Type::Binary,
            "timestamp" => Type::Timestamp,
            "date" => Type::Date,
            "decimal" => self.decimal()?,
            "array" => {
                self.expect('<')?;
                let element = self.kind(depth + 1)?;
                self.expect('>')?;
                Type::List(Box::new(element))
            }
            "map" => self.map(depth)?,
            "struct" => self.structure(depth)?,
            _ => return Err(TypeError::Unknown(shown(word))),
        })
    }

    fn map(&mut self, depth: usize) -> Result<Type, TypeError> {
        self.expect('<')?;
        let key = self.kind(depth + 1)?;
        if !key.is_simple() {
            return Err(TypeError::Key);
        }
        self.expect(',')?;
        let value = self.kind(depth + 1)?;
        self.expect('>')?;
        Ok(Type::Map(Box::new(key), Box::new(value)))
    }

    fn structure(&mut self, depth: usize) -> Result<Type, TypeError> {
        self.expect('<')?;
        let mut fields: Vec<(String, Type)> = Vec::new();
        loop {
            let name = self.until(|c| ":,<>".contains(c)).trim().trim_matches('`');
            if name.is_empty() {
                return Err(TypeError::Name(name.to_owned()));
            }
            self.expect(':')?;
            fields.push((name.to_owned(), self.kind(depth + 1)?));
            if self.expect(',').is_err() {
                break;
            }
        }
        self.expect('>')?;
        Ok(Type::Struct(fields))
    }

    /// The parameters of a decimal: 10 digits, none of them behind the point, unless they are given.
    fn decimal(&mut self) -> Result<Type, TypeError> {
        if !self.rest.trim_start().starts_with('(') {
            return Ok(Type::Decimal(10, 0));
        }
        let text = self.parameters()?;
        let (precision, scale) = text.split_once(',').unwrap_or((text, "0"));
        let numbers = precision.trim().parse().ok().zip(scale.trim().parse().ok());
        let fitting = numbers.filter(|(precision, scale)| {
            (1..=PRECISION_MAX).contains(precision) && scale <= precision
        });
        let (precision, scale) = fitting.ok_or_else(|| TypeError::Parameter {
            kind: "decimal",
            value: shown(text),
        })?;
        Ok(Type::Decimal(precision, scale))
    }

    fn chars(&mut self, kind: &'static str, max: u32) -> Result<u32, TypeError> {
        let text = self.parameters()?;
        let chars = text.trim().parse().ok();
        let fitting = chars.filter(|chars| (1..=max).contains(chars));
        fitting.ok_or_else(|| TypeError::Parameter {
            kind,
            value: shown(text),
        })
    }

    fn parameters(&mut self) -> Result<&'a str, TypeError> {
        self.expect('(')?;
        let text = self.until(|c| c == ')');
        self.expect(')')?;
        Ok(text)
    }

    fn until(&mut self, is_end: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(is_end).unwrap_or(rest.len());
        let (text, rest) = rest.split_at(end);
        self.rest = rest;
        text
    }

    fn expect(&mut self, expected: char) -> Result<(), TypeError> {
        let rest = self.rest.trim_start();
        self.rest = rest
            .strip_prefix(expected)
            .ok_or_else(|| TypeError::Missing {
                expected,
                rest: shown(rest),
            })?;
        Ok(())
    }
}

/// As much of a text as an error shows.
pub(super) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 100;

    fn parse(text: &str) -> Result<Type, TypeError> {
        Type::parse(text, &mut MAX.clone(), MAX)
    }

    #[test]
    fn simple_types_are_read_in_any_case() {
        for (text, kind) in [
            ("boolean", Type::Boolean),
            ("TINYINT", Type::TinyInt),
            ("smallint", Type::SmallInt),
            (" int ", Type::Int),
            ("integer", Type::Int),
            ("bigint", Type::BigInt),
            ("float", Type::Float),
            ("double", Type::Double),
            ("string", Type::Text(None)),
            ("char(255)", Type::Text(Some(255))),
            ("varchar( 65535 )", Type::Text(Some(65_535))),
            ("binary", Type::Binary),
            ("timestamp", Type::Timestamp),
            ("date", Type::Date),
            ("decimal", Type::Decimal(10, 0)),
            ("decimal(5)", Type::Decimal(5, 0)),
            ("decimal(38, 38)", Type::Decimal(38, 38)),
        ] {
            assert_eq!(parse(text), Ok(kind), "{text}");
        }
    }

    #[test]
    fn types_nest() {
        let kind = parse("struct<a:array<int>, `b c` : map<string,struct<d:date>>>").unwrap();
        let inner = Type::Struct(vec![("d".into(), Type::Date)]);
        let map = Type::Map(Box::new(Type::Text(None)), Box::new(inner));
        let list = Type::List(Box::new(Type::Int));
        assert_eq!(
            kind,
            Type::Struct(vec![("a".into(), list), ("b c".into(), map)])
        );
    }

    #[test]
    fn what_is_no_type_is_refused_by_its_name() {
        for (text, says) in [
            ("", "\"\" is not a type"),
            ("uniontype<int>", "\"uniontype\" is not a type"),
            ("int int", "\"int\" stands behind its end"),
            ("array<int", "'>' is missing before \"\""),
            ("array", "'<' is missing"),
            ("map<int>", "',' is missing before \">\""),
            ("map<array<int>,int>", "simple type"),
            ("struct<>", "\"\" cannot be the name"),
            ("struct<a int>", "':' is missing before \">\""),
            (
                "decimal(39,2)",
                "decimal cannot have the parameter \"39,2\"",
            ),
            ("decimal(2,3)", "\"2,3\""),
            ("decimal(0)", "\"0\""),
            ("decimal(999999999999,0)", "\"999999999999,0\""),
            ("char(256)", "char cannot have the parameter \"256\""),
            ("varchar(65536)", "\"65536\""),
            ("varchar(", "')' is missing"),
            ("char", "'(' is missing"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn depth_parts_and_length_are_bounded() {
        let nested = |depth: usize| format!("{}int{}", "array<".repeat(depth), ">".repeat(depth));
        assert!(parse(&nested(DEPTH_MAX - 1)).is_ok());
        assert_eq!(parse(&nested(DEPTH_MAX)), Err(TypeError::Deep));
        assert_eq!(parse(&"array<".repeat(20_000)), Err(TypeError::Deep));
        assert_eq!(parse(&" ".repeat(TEXT_CHARS_MAX + 1)), Err(TypeError::Long));
        let fields: Vec<String> = (0..MAX).map(|n| format!("f{n}:int")).collect();
        let wide = format!("struct<{}>", fields.join(","));
        assert_eq!(parse(&wide), Err(TypeError::Many { max: MAX }));
    }
}
