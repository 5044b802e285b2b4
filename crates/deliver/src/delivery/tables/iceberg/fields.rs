//! The fields of a table's schema, as the conversion knows them.

use ::iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use afflux_transform::{TableField, TableType};
use afflux_types::{Error, Result};

/// The columns of `table`.
///
/// # Errors
/// `Invalid` for a type that JSON is not converted to, which names column and type.
pub(super) fn fields(table: &str, schema: &Schema) -> Result<Vec<TableField>> {
    let columns = schema.as_struct().fields().iter();
    let read = columns.map(|column| {
        field(column).map_err(|reason| {
            Error::invalid(format!(
                "column {:?} of table {table} {reason}",
                column.name
            ))
        })
    });
    read.collect()
}

fn field(of: &NestedField) -> Result<TableField, String> {
    if of.write_default.is_some() {
        return Err("has a default, which records without it do not get here".to_owned());
    }
    Ok(TableField {
        id: of.id,
        name: of.name.clone(),
        is_required: of.required,
        kind: kind(&of.field_type)?,
    })
}

fn kind(of: &Type) -> Result<TableType, String> {
    let part = |of: &NestedField| field(of).map(Box::new);
    Ok(match of {
        Type::Primitive(primitive) => match primitive {
            PrimitiveType::Boolean => TableType::Boolean,
            PrimitiveType::Int => TableType::Int,
            PrimitiveType::Long => TableType::Long,
            PrimitiveType::Float => TableType::Float,
            PrimitiveType::Double => TableType::Double,
            PrimitiveType::Decimal { precision, scale } => TableType::Decimal {
                precision: *precision,
                scale: *scale,
            },
            PrimitiveType::Date => TableType::Date,
            PrimitiveType::Timestamp => TableType::Timestamp,
            PrimitiveType::Timestamptz => TableType::Timestamptz,
            PrimitiveType::String => TableType::Text,
            PrimitiveType::Binary => TableType::Binary,
            other => {
                return Err(format!(
                    "has the type {other}, to which JSON is not converted"
                ));
            }
        },
        Type::List(list) => TableType::List(part(&list.element_field)?),
        Type::Map(map) => TableType::Map(part(&map.key_field)?, part(&map.value_field)?),
        Type::Struct(fields) => {
            let fields = fields.fields().iter();
            TableType::Struct(fields.map(|of| field(of)).collect::<Result<_, _>>()?)
        }
    })
}
