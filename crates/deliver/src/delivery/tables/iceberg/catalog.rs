//! One conversation with a catalog: a table is loaded, and a commit is made on it.
//!
//! A conversation lasts as long as one attempt. What the catalog says of itself and the token that it gives are asked
//! for anew with the next, so that neither can be too old; that costs two requests a batch.

use std::fmt;

use ::iceberg::spec::{DataFile, TableMetadata};
use ::iceberg::table::Table;
use ::iceberg::transaction::{ApplyTransactionAction as _, Transaction};
use ::iceberg::{
    Catalog, CatalogBuilder as _, ErrorKind, Namespace, NamespaceIdent, TableCommit, TableCreation,
    TableIdent,
};
use afflux_types::{Error, Result};
use async_trait::async_trait;
use iceberg_catalog_rest::{
    REST_CATALOG_PROP_URI, REST_CATALOG_PROP_WAREHOUSE, RestCatalog, RestCatalogBuilder,
};
use iceberg_reqwest::redirect::Policy;

use super::files::Files;
use crate::delivery::stores::choose_tls;
use crate::delivery::tables::{Batch, CatalogLogin, CatalogSettings, TableSettings};

/// What the number of the last batch of a delivery stream stands under among the properties of a table.
const PROPERTY: &str = "afflux.delivery";
/// Of what a catalog says in an error.
const REASON_CHARS_MAX: usize = 400;

/// A conversation with a catalog.
pub(super) struct Session {
    name: String,
    catalog: RestCatalog,
}

impl Session {
    /// Nothing is asked yet.
    pub(super) async fn open(settings: &CatalogSettings, files: &Files) -> Result<Self> {
        let name = settings.name.clone();
        let unusable = |error: &dyn fmt::Display| {
            Error::invalid(format!(
                "catalog {:?} cannot be used: {error}",
                settings.name
            ))
        };
        let mut properties = vec![(
            REST_CATALOG_PROP_URI.to_owned(),
            settings.uri.trim_end_matches('/').to_owned(),
        )];
        let mut put =
            |name: &str, value: &str| properties.push((name.to_owned(), value.to_owned()));
        if let Some(warehouse) = &settings.warehouse {
            put(REST_CATALOG_PROP_WAREHOUSE, warehouse);
        }
        match &settings.login {
            CatalogLogin::None => {}
            CatalogLogin::Token(token) => put("token", token),
            CatalogLogin::Credential {
                credential,
                uri,
                scope,
            } => {
                put("credential", credential);
                let more = [("oauth2-server-uri", uri), ("scope", scope)];
                for (name, value) in more {
                    value.iter().for_each(|value| put(name, value));
                }
            }
        }
        let client = client(settings).map_err(|error| unusable(&error))?;
        let builder = RestCatalogBuilder::default()
            .with_client(client)
            .with_storage_factory(files.factory());
        let catalog = builder.load(&name, properties.into_iter().collect()).await;
        Ok(Self {
            catalog: catalog.map_err(|error| unusable(&error))?,
            name,
        })
    }

    /// A table as it is now.
    pub(super) async fn load(&self, table: &TableSettings) -> Result<Table> {
        let loaded = self.catalog.load_table(&ident(table)?).await;
        loaded.map_err(|error| self.failed("load", table, &error))
    }

    /// Adds files to a table and notes the batch, both or neither, if the table still is as `base` was loaded.
    pub(super) async fn commit(
        &self,
        base: &Table,
        table: &TableSettings,
        batch: Batch,
        files: Vec<DataFile>,
    ) -> Result<()> {
        let number = batch.number.to_string();
        let summary = [
            (PROPERTY, format!("{:016x}", batch.delivery)),
            ("afflux.batch", number.clone()),
        ];
        let summary = summary.map(|(name, value)| (name.to_owned(), value));
        let transaction = Transaction::new(base);
        let append = transaction
            .fast_append()
            // Reads every manifest of the table; the property says it with one look.
            .with_check_duplicate(false)
            .set_snapshot_properties(summary.into())
            .add_data_files(files);
        let note = transaction
            .update_table_properties()
            .set(property(batch.delivery), number);
        let committed = async {
            let transaction = note.apply(append.apply(transaction)?)?;
            let on = Base {
                catalog: &self.catalog,
                table: base,
            };
            transaction.commit(&on).await
        };
        match committed.await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed("append to", table, &error)),
        }
    }

    fn failed(&self, verb: &str, table: &TableSettings, error: &::iceberg::Error) -> Error {
        let said = error.to_string();
        let said: String = said.chars().take(REASON_CHARS_MAX).collect();
        let message = format!(
            "{verb} table {} of catalog {}: {said}",
            table.full_name(),
            self.name
        );
        match error.kind() {
            ErrorKind::TableNotFound | ErrorKind::NamespaceNotFound => Error::not_found(message),
            ErrorKind::CatalogCommitConflicts => {
                Error::new(afflux_types::ErrorKind::InUse, message)
            }
            ErrorKind::FeatureUnsupported | ErrorKind::DataInvalid => Error::invalid(message),
            _ => Error::unavailable(message),
        }
    }
}

/// Whether a table has a batch already.
pub(super) fn is_committed(metadata: &TableMetadata, batch: Batch) -> bool {
    let noted = metadata.properties().get(&property(batch.delivery));
    let noted = noted.and_then(|number| number.parse().ok());
    noted.is_some_and(|noted: u64| noted >= batch.number)
}

fn property(delivery: u64) -> String {
    format!("{PROPERTY}.{delivery:016x}")
}

fn ident(table: &TableSettings) -> Result<TableIdent> {
    let parts = table.namespace.iter().chain([&table.name]);
    TableIdent::from_strs(parts)
        .map_err(|error| Error::invalid("the name of a table").with_source(error))
}

/// A client of the release that the library is on.
fn client(settings: &CatalogSettings) -> Result<iceberg_reqwest::Client, iceberg_reqwest::Error> {
    choose_tls();
    iceberg_reqwest::Client::builder()
        .timeout(settings.timeout)
        .connect_timeout(settings.timeout)
        // What requests may reach is what the operator wrote, not what an answer or the environment says.
        .redirect(Policy::none())
        .no_proxy()
        // A machine may have no authorities, and http needs none.
        .tls_built_in_root_certs(settings.uri.starts_with("https:"))
        .build()
}

/// A catalog in which a table is as it was loaded.
///
/// A transaction loads its table again before it commits, and builds upon what it finds: it would build upon its own
/// first attempt, whose answer was lost. Here it finds what was looked at, and no attempt is repeated that was not
/// looked at before.
#[derive(Debug)]
struct Base<'a> {
    catalog: &'a RestCatalog,
    table: &'a Table,
}

fn unused<T>() -> ::iceberg::Result<T> {
    let message = "a commit needs no more than its table";
    Err(::iceberg::Error::new(
        ErrorKind::FeatureUnsupported,
        message,
    ))
}

#[expect(
    clippy::disallowed_types,
    reason = "the library's trait has it; nobody here walks through it"
)]
type Properties = std::collections::HashMap<String, String>;

#[async_trait]
impl Catalog for Base<'_> {
    async fn load_table(&self, _: &TableIdent) -> ::iceberg::Result<Table> {
        Ok(self.table.clone())
    }

    async fn update_table(&self, commit: TableCommit) -> ::iceberg::Result<Table> {
        let updated = self.catalog.update_table(commit).await;
        updated.map_err(|error| error.with_retryable(false))
    }

    async fn list_namespaces(
        &self,
        _: Option<&NamespaceIdent>,
    ) -> ::iceberg::Result<Vec<NamespaceIdent>> {
        unused()
    }

    async fn create_namespace(
        &self,
        _: &NamespaceIdent,
        _: Properties,
    ) -> ::iceberg::Result<Namespace> {
        unused()
    }

    async fn get_namespace(&self, _: &NamespaceIdent) -> ::iceberg::Result<Namespace> {
        unused()
    }

    async fn namespace_exists(&self, _: &NamespaceIdent) -> ::iceberg::Result<bool> {
        unused()
    }

    async fn update_namespace(&self, _: &NamespaceIdent, _: Properties) -> ::iceberg::Result<()> {
        unused()
    }

    async fn drop_namespace(&self, _: &NamespaceIdent) -> ::iceberg::Result<()> {
        unused()
    }

    async fn list_tables(&self, _: &NamespaceIdent) -> ::iceberg::Result<Vec<TableIdent>> {
        unused()
    }

    async fn create_table(&self, _: &NamespaceIdent, _: TableCreation) -> ::iceberg::Result<Table> {
        unused()
    }

    async fn drop_table(&self, _: &TableIdent) -> ::iceberg::Result<()> {
        unused()
    }

    async fn purge_table(&self, _: &TableIdent) -> ::iceberg::Result<()> {
        unused()
    }

    async fn table_exists(&self, _: &TableIdent) -> ::iceberg::Result<bool> {
        unused()
    }

    async fn rename_table(&self, _: &TableIdent, _: &TableIdent) -> ::iceberg::Result<()> {
        unused()
    }

    async fn register_table(&self, _: &TableIdent, _: String) -> ::iceberg::Result<Table> {
        unused()
    }
}
