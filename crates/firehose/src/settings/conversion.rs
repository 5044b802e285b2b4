//! Data format conversion as settings of a delivery, and back.

use afflux_aws::firehose::Error;
use afflux_aws::firehose::destination::{
    DataFormatConversionConfiguration, Deserializer, ExtendedS3DestinationConfiguration,
    HiveJsonSerDe, InputFormatConfiguration, OpenXJsonSerDe, OutputFormatConfiguration,
    ParquetSerDe, SchemaConfiguration, Serializer,
};
use afflux_aws::firehose::values::{
    CompressionFormat, ParquetCompression as Compression, ParquetWriterVersion as Version,
};
use afflux_transform::{
    Conversion, JsonReading, ParquetCompression, ParquetSettings, ParquetVersion,
};

use super::describe::whole;
use super::unserved;
use crate::Table;
use crate::context::invalid;

/// The least size of converted objects.
const MEBIBYTES_MIN: u32 = 64;
/// The only version of a table.
const LATEST: &str = "LATEST";

/// How the records of a destination are converted; none if they are not.
pub(super) fn settings(
    s3: &ExtendedS3DestinationConfiguration,
    tables: &[Table],
) -> Result<Option<Conversion>, Error> {
    let given = s3.data_format_conversion.as_ref();
    let Some(given) = given.filter(|given| given.enabled != Some(false)) else {
        return Ok(None);
    };
    if let Some(format) = s3.compression_format
        && format != CompressionFormat::Uncompressed
    {
        return Err(invalid(format!(
            "CompressionFormat is {format}; it must be UNCOMPRESSED when data format conversion is \
             enabled, whose serializer compresses."
        )));
    }
    let hints = s3.buffering_hints.as_ref();
    if let Some(size) = hints.and_then(|hints| hints.size_in_mbs)
        && size < MEBIBYTES_MIN
    {
        return Err(invalid(format!(
            "SizeInMBs is {size}; it must be at least {MEBIBYTES_MIN} when data format conversion is \
             enabled."
        )));
    }
    let input = given.input_format.as_ref();
    let input = input.and_then(|input| input.deserializer.as_ref());
    let input = input.ok_or_else(|| missing("InputFormatConfiguration with a Deserializer"))?;
    let output = given.output_format.as_ref();
    let output = output.and_then(|output| output.serializer.as_ref());
    let output = output.ok_or_else(|| missing("OutputFormatConfiguration with a Serializer"))?;
    let schema = given.schema.as_ref();
    let schema = schema.ok_or_else(|| missing("SchemaConfiguration"))?;
    Ok(Some(Conversion {
        json: json(input)?,
        parquet: parquet(output)?,
        columns: table(schema, tables)?.columns.clone(),
    }))
}

fn missing(what: &str) -> Error {
    invalid(format!(
        "{what} must be given when data format conversion is enabled."
    ))
}

fn json(given: &Deserializer) -> Result<JsonReading, Error> {
    match (&given.open_x_json, &given.hive_json) {
        (Some(open_x), None) => Ok(JsonReading::OpenX {
            case_insensitive: open_x.case_insensitive != Some(false),
            dots_to_underscores: open_x.convert_dots_in_json_keys_to_underscores == Some(true),
            mappings: open_x
                .column_to_json_key_mappings
                .clone()
                .unwrap_or_default(),
        }),
        (None, Some(hive)) => Ok(JsonReading::Hive {
            timestamp_formats: hive.timestamp_formats.clone().unwrap_or_default(),
        }),
        _ => Err(invalid(
            "Deserializer must have exactly one of OpenXJsonSerDe and HiveJsonSerDe.",
        )),
    }
}

fn parquet(given: &Serializer) -> Result<ParquetSettings, Error> {
    let parquet = match (&given.parquet, &given.orc) {
        (_, Some(_)) => return Err(unserved("OrcSerDe")),
        (None, None) => return Err(missing("ParquetSerDe")),
        (Some(parquet), None) => parquet,
    };
    let assumed = ParquetSettings::default();
    Ok(ParquetSettings {
        compression: match parquet.compression {
            Some(Compression::Uncompressed) => ParquetCompression::Uncompressed,
            Some(Compression::Gzip) => ParquetCompression::Gzip,
            Some(Compression::Snappy) | None => ParquetCompression::Snappy,
        },
        block_bytes: parquet
            .block_size_bytes
            .map_or(assumed.block_bytes, u64::from),
        page_bytes: parquet
            .page_size_bytes
            .map_or(assumed.page_bytes, u64::from),
        dictionary: parquet
            .enable_dictionary_compression
            .unwrap_or(assumed.dictionary),
        version: match parquet.writer_version {
            Some(Version::V2) => ParquetVersion::V2,
            Some(Version::V1) | None => ParquetVersion::V1,
        },
    })
}

/// The table of a schema; what else the schema says, a role and where the catalog is, means nothing here.
fn table<'a>(schema: &SchemaConfiguration, tables: &'a [Table]) -> Result<&'a Table, Error> {
    let given = |value: &Option<String>, what| value.clone().ok_or_else(|| missing(what));
    let database = given(&schema.database_name, "DatabaseName")?;
    let name = given(&schema.table_name, "TableName")?;
    if let Some(version) = schema
        .version_id
        .as_ref()
        .filter(|version| *version != LATEST)
    {
        return Err(invalid(format!(
            "VersionId is {version:?}; tables have no versions but {LATEST} here."
        )));
    }
    let mut tables = tables.iter();
    let found = tables.find(|table| table.database == database && table.name == name);
    found.ok_or_else(|| {
        invalid(format!(
            "table {name} of the database {database} is not among the [[tables]] of the server's \
             configuration"
        ))
    })
}

/// The conversion of a delivery stream that another door made, whose columns are no table's.
pub(super) fn describe(conversion: &Conversion) -> DataFormatConversionConfiguration {
    let deserializer = match &conversion.json {
        JsonReading::OpenX {
            case_insensitive,
            dots_to_underscores,
            mappings,
        } => Deserializer {
            open_x_json: Some(OpenXJsonSerDe {
                convert_dots_in_json_keys_to_underscores: Some(*dots_to_underscores),
                case_insensitive: Some(*case_insensitive),
                column_to_json_key_mappings: Some(mappings.clone()),
            }),
            hive_json: None,
        },
        JsonReading::Hive { timestamp_formats } => Deserializer {
            open_x_json: None,
            hive_json: Some(HiveJsonSerDe {
                timestamp_formats: Some(timestamp_formats.clone()),
            }),
        },
    };
    let parquet = &conversion.parquet;
    let serializer = Serializer {
        parquet: Some(ParquetSerDe {
            block_size_bytes: whole(parquet.block_bytes),
            page_size_bytes: whole(parquet.page_bytes),
            // The API has no word for Zstandard.
            compression: match parquet.compression {
                ParquetCompression::Uncompressed => Some(Compression::Uncompressed),
                ParquetCompression::Gzip => Some(Compression::Gzip),
                ParquetCompression::Snappy => Some(Compression::Snappy),
                ParquetCompression::Zstd => None,
            },
            enable_dictionary_compression: Some(parquet.dictionary),
            max_padding_bytes: None,
            writer_version: Some(match parquet.version {
                ParquetVersion::V1 => Version::V1,
                ParquetVersion::V2 => Version::V2,
            }),
        }),
        orc: None,
    };
    DataFormatConversionConfiguration {
        schema: None,
        input_format: Some(InputFormatConfiguration {
            deserializer: Some(deserializer),
        }),
        output_format: Some(OutputFormatConfiguration {
            serializer: Some(serializer),
        }),
        enabled: Some(true),
    }
}
