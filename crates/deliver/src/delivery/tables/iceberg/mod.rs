//! Tables by the library of Apache Iceberg: what of theirs it knows, and what is asked of their catalog.

mod catalog;
mod fields;
mod files;

use ::iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Struct, TableMetadata,
};
use ::iceberg::table::Table;
use afflux_transform::{ParquetCompression, Schema};
use afflux_types::{Error, Result};

use super::{Access, Append, Batch, Layout, NewFile, TableSettings};
use catalog::Session;
use files::Files;

/// The table property that says where data files are.
const DATA_PATH: &str = "write.data.path";
/// Its older name.
const OLD_DATA_PATH: &str = "write.folder-storage.path";
const CODEC: &str = "write.parquet.compression-codec";

/// What a batch needs to know of its table when it ends.
///
/// # Errors
/// `NotFound` for a table or a catalog that is not there, `Invalid` for a table that cannot be appended to, which says
/// why, `Unavailable` if the catalog does not answer.
pub(crate) async fn open(access: &Access, table: &TableSettings) -> Result<Layout> {
    let settings = access.catalogs.find(&table.catalog)?;
    let files = Files::new(access, settings.directory.clone());
    let session = Session::open(settings, &files).await?;
    let loaded = session.load(table).await?;
    layout(&files, table, &loaded)
}

fn layout(files: &Files, table: &TableSettings, loaded: &Table) -> Result<Layout> {
    let metadata = loaded.metadata();
    refuse_partitions(table, metadata)?;
    let property = |name: &str| metadata.properties().get(name);
    let location = match property(DATA_PATH).or_else(|| property(OLD_DATA_PATH)) {
        Some(location) => location.trim_end_matches('/').to_owned(),
        None => format!("{}/data", metadata.location().trim_end_matches('/')),
    };
    let (place, prefix) = files.find(&location)?;
    let fields = fields::fields(&table.full_name(), metadata.current_schema())?;
    let compression = match property(CODEC).map(String::as_str) {
        Some("uncompressed" | "none") => ParquetCompression::Uncompressed,
        Some("gzip") => ParquetCompression::Gzip,
        Some("snappy") => ParquetCompression::Snappy,
        // What tables have that say nothing; a codec is a wish.
        _ => ParquetCompression::Zstd,
    };
    let schema = Schema::of_table(&fields, compression).map_err(|error| {
        let message = format!("table {} cannot be appended to", table.full_name());
        Error::invalid(message).with_source(error)
    })?;
    Ok(Layout {
        table: table.clone(),
        uuid: metadata.uuid().to_string(),
        schema,
        place,
        prefix,
        location,
    })
}

/// Makes the files of a batch part of their table, unless they are.
///
/// # Errors
/// As [`open`]; `InUse` if somebody else changed the table meanwhile. Whether the commit was made is not known then;
/// call it again.
pub(crate) async fn append(access: &Access, batch: Batch, append: &Append) -> Result<()> {
    let table = &append.table;
    let settings = access.catalogs.find(&table.catalog)?;
    let files = Files::new(access, settings.directory.clone());
    let session = Session::open(settings, &files).await?;
    let base = session.load(table).await?;
    if catalog::is_committed(base.metadata(), batch) {
        return Ok(());
    }
    refuse_partitions(table, base.metadata())?;
    if base.metadata().uuid().to_string() != append.uuid {
        return Err(Error::invalid(format!(
            "table {} is another one than the batch was prepared for: that had the id {}, this one has {}",
            table.full_name(),
            append.uuid,
            base.metadata().uuid()
        )));
    }
    let files = append.files.iter();
    let files = files
        .map(|file| data_file(file, base.metadata()))
        .collect::<Result<Vec<_>>>()?;
    session.commit(&base, table, batch, files).await
}

/// Refuses tables that are partitioned.
fn refuse_partitions(table: &TableSettings, metadata: &TableMetadata) -> Result<()> {
    let spec = metadata.default_partition_spec();
    if spec.is_unpartitioned() {
        return Ok(());
    }
    let schema = metadata.current_schema();
    let fields = spec.fields().iter().map(|field| {
        let column = schema.name_by_field_id(field.source_id);
        format!("{}({})", field.transform, column.unwrap_or(&field.name))
    });
    Err(Error::invalid(format!(
        "table {} is partitioned by {}: only tables without partitions are appended to",
        table.full_name(),
        fields.collect::<Vec<_>>().join(", ")
    )))
}

/// A file as a table without partitions has it.
fn data_file(file: &NewFile, metadata: &TableMetadata) -> Result<DataFile> {
    let (spec, schema) = (metadata.default_partition_spec(), metadata.current_schema());
    let bound = |id: i32, bytes: &Option<Vec<u8>>| {
        // Of a field that the table has no more, or with another type, there is none.
        let field = schema.field_by_id(id)?;
        let kind = field.field_type.as_primitive_type()?.clone();
        let datum = Datum::try_from_bytes(bytes.as_deref()?, kind).ok()?;
        Some((id, datum))
    };
    let columns = || file.columns.iter();
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(file.location.clone())
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(file.bytes)
        .record_count(file.rows)
        .partition_spec_id(spec.spec_id())
        // Fields that were dropped from the first version of tables stay in their partitions.
        .partition(spec.fields().iter().map(|_| None).collect::<Struct>())
        .column_sizes(columns().map(|(id, of)| (*id, of.bytes)).collect())
        .value_counts(columns().map(|(id, of)| (*id, of.values)).collect())
        .null_value_counts(columns().map(|(id, of)| (*id, of.nulls)).collect())
        .lower_bounds(
            columns()
                .filter_map(|(id, of)| bound(*id, &of.lower))
                .collect(),
        )
        .upper_bounds(
            columns()
                .filter_map(|(id, of)| bound(*id, &of.upper))
                .collect(),
        )
        .split_offsets(Some(file.offsets.clone()))
        .build()
        .map_err(|error| Error::internal("describe a data file").with_source(error))
}

#[cfg(test)]
mod tests;
