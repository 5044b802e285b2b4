//! JSON records into the files of a column store.

use std::collections::BTreeMap;

use crate::firehose::values::{
    ANY_BOOLEAN, INTEGER, NATURAL, OrcCompression, OrcFormatVersion, PROPORTION_SHAPE,
    ParquetCompression, ParquetWriterVersion, SOLID_SHAPE, SOLIDS_SHAPE, TEXT_SHAPE, TEXTS_SHAPE,
};
use crate::macros::both;
use crate::validate::{Kind, Shape};

const BLOCK_BYTES_SHAPE: Shape = INTEGER.min(67_108_864);
const PAGE_BYTES_SHAPE: Shape = INTEGER.min(65_536);
const STRIPE_BYTES_SHAPE: Shape = INTEGER.min(8_388_608);
const STRIDE_SHAPE: Shape = INTEGER.min(1_000);
const MAPPINGS_SHAPE: Shape = Shape::new(Kind::Map(&SOLID_SHAPE, &TEXT_SHAPE));

both! {
    /// The table whose columns the files have.
    SchemaConfiguration {
        /// The role that reads it.
        role_arn: Option<String> = "RoleARN" is SOLID_SHAPE,
        /// The catalog.
        catalog_id: Option<String> = "CatalogId" is SOLID_SHAPE,
        /// The database.
        database_name: Option<String> = "DatabaseName" is SOLID_SHAPE,
        /// The table.
        table_name: Option<String> = "TableName" is SOLID_SHAPE,
        /// Where the catalog is.
        region: Option<String> = "Region" is SOLID_SHAPE,
        /// The version of the table; the latest unless said otherwise.
        version_id: Option<String> = "VersionId" is SOLID_SHAPE,
    }
}

both! {
    /// JSON as `OpenX` reads it.
    OpenXJsonSerDe {
        /// Whether dots in keys become underscores.
        convert_dots_in_json_keys_to_underscores: Option<bool> = "ConvertDotsInJsonKeysToUnderscores" is ANY_BOOLEAN,
        /// Whether keys are made lower case; they are unless said otherwise.
        case_insensitive: Option<bool> = "CaseInsensitive" is ANY_BOOLEAN,
        /// The keys of columns that are called otherwise.
        column_to_json_key_mappings: Option<BTreeMap<String, String>> = "ColumnToJsonKeyMappings" is MAPPINGS_SHAPE,
    }
}

both! {
    /// JSON as Hive reads it.
    HiveJsonSerDe {
        /// How times are written.
        timestamp_formats: Option<Vec<String>> = "TimestampFormats" is TEXTS_SHAPE,
    }
}

both! {
    /// How records are read: by one of these.
    Deserializer {
        /// As `OpenX` does.
        open_x_json: Option<OpenXJsonSerDe> = "OpenXJsonSerDe" is OpenXJsonSerDe::SHAPE,
        /// As Hive does.
        hive_json: Option<HiveJsonSerDe> = "HiveJsonSerDe" is HiveJsonSerDe::SHAPE,
    }
}

both! {
    /// How records are read.
    InputFormatConfiguration {
        /// By this.
        deserializer: Option<Deserializer> = "Deserializer" is Deserializer::SHAPE,
    }
}

both! {
    /// Parquet files.
    ParquetSerDe {
        /// Of this block size.
        block_size_bytes: Option<u32> = "BlockSizeBytes" is BLOCK_BYTES_SHAPE,
        /// Of this page size.
        page_size_bytes: Option<u32> = "PageSizeBytes" is PAGE_BYTES_SHAPE,
        /// Compressed so.
        compression: Option<ParquetCompression> = "Compression" is ParquetCompression::SHAPE,
        /// Whether values are looked up in a dictionary.
        enable_dictionary_compression: Option<bool> = "EnableDictionaryCompression" is ANY_BOOLEAN,
        /// The most bytes of padding.
        max_padding_bytes: Option<u32> = "MaxPaddingBytes" is NATURAL,
        /// The version of pages.
        writer_version: Option<ParquetWriterVersion> = "WriterVersion" is ParquetWriterVersion::SHAPE,
    }
}

both! {
    /// ORC files.
    OrcSerDe {
        /// Of this stripe size.
        stripe_size_bytes: Option<u32> = "StripeSizeBytes" is STRIPE_BYTES_SHAPE,
        /// Of this block size.
        block_size_bytes: Option<u32> = "BlockSizeBytes" is BLOCK_BYTES_SHAPE,
        /// Rows between the entries of the index.
        row_index_stride: Option<u32> = "RowIndexStride" is STRIDE_SHAPE,
        /// Whether stripes are padded to blocks.
        enable_padding: Option<bool> = "EnablePadding" is ANY_BOOLEAN,
        /// The share of a stripe that padding may take.
        padding_tolerance: Option<f64> = "PaddingTolerance" is PROPORTION_SHAPE,
        /// Compressed so.
        compression: Option<OrcCompression> = "Compression" is OrcCompression::SHAPE,
        /// The columns with bloom filters.
        bloom_filter_columns: Option<Vec<String>> = "BloomFilterColumns" is SOLIDS_SHAPE,
        /// How often a bloom filter errs.
        bloom_filter_false_positive_probability: Option<f64> = "BloomFilterFalsePositiveProbability" is PROPORTION_SHAPE,
        /// The share of different values up to which they are looked up in a dictionary.
        dictionary_key_threshold: Option<f64> = "DictionaryKeyThreshold" is PROPORTION_SHAPE,
        /// The version of files.
        format_version: Option<OrcFormatVersion> = "FormatVersion" is OrcFormatVersion::SHAPE,
    }
}

both! {
    /// How files are written: by one of these.
    Serializer {
        /// As Parquet.
        parquet: Option<ParquetSerDe> = "ParquetSerDe" is ParquetSerDe::SHAPE,
        /// As ORC.
        orc: Option<OrcSerDe> = "OrcSerDe" is OrcSerDe::SHAPE,
    }
}

both! {
    /// How files are written.
    OutputFormatConfiguration {
        /// By this.
        serializer: Option<Serializer> = "Serializer" is Serializer::SHAPE,
    }
}

both! {
    /// JSON records into the files of a column store.
    DataFormatConversionConfiguration {
        /// The columns.
        schema: Option<SchemaConfiguration> = "SchemaConfiguration" is SchemaConfiguration::SHAPE,
        /// How records are read.
        input_format: Option<InputFormatConfiguration> = "InputFormatConfiguration" is InputFormatConfiguration::SHAPE,
        /// How files are written.
        output_format: Option<OutputFormatConfiguration> = "OutputFormatConfiguration" is OutputFormatConfiguration::SHAPE,
        /// Whether it is done; it is unless said otherwise.
        enabled: Option<bool> = "Enabled" is ANY_BOOLEAN,
    }
}
