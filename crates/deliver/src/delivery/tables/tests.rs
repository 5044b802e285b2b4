use super::*;

#[test]
fn the_name_of_a_table_has_a_namespace_and_a_name() {
    let table = TableSettings::new("lake", "shop.eu.orders").unwrap();
    assert_eq!(table.namespace, ["shop", "eu"]);
    assert_eq!(
        (&*table.name, &*table.full_name()),
        ("orders", "shop.eu.orders")
    );
    let long = format!("shop.{}", "x".repeat(NAME_CHARS_MAX + 1));
    for name in ["orders", "", ".orders", "shop.", "shop..orders", &long] {
        let error = TableSettings::new("lake", name).unwrap_err();
        assert!(
            error.message().contains("is not the name of a table"),
            "{name}"
        );
    }
}

#[test]
fn data_files_of_all_parts_batches_and_delivery_streams_have_names_of_their_own() {
    let names = [(1, 2, 3), (1, 2, 4), (1, 3, 3), (2, 2, 3)];
    let names: std::collections::BTreeSet<String> = names
        .map(|(delivery, batch, part)| file_name(delivery, batch, part))
        .into();
    assert_eq!(names.len(), 4);
    assert!(names.contains("0000000000000001-0000000000000002-000003.parquet"));
}

#[test]
fn a_catalog_has_a_url_and_one_name() {
    let catalog = |name: &str, uri: &str| CatalogSettings {
        name: name.to_owned(),
        uri: uri.to_owned(),
        warehouse: None,
        login: CatalogLogin::Token("hidden".to_owned()),
        directory: None,
        timeout: std::time::Duration::from_secs(1),
    };
    let one = catalog("lake", "https://localhost/iceberg");
    assert!(!format!("{one:?}").contains("hidden"));
    Catalogs::new(std::slice::from_ref(&one)).unwrap();
    for (settings, says) in [
        (vec![one.clone(), one], "catalog lake is configured twice"),
        (
            vec![catalog("lake", "s3://lake")],
            "catalog lake cannot be at \"s3://lake\"",
        ),
    ] {
        let error = Catalogs::new(&settings).unwrap_err();
        assert!(error.message().contains(says), "{}", error.message());
    }
}

#[cfg(not(feature = "iceberg"))]
#[tokio::test]
async fn without_the_feature_a_table_is_refused_by_the_name_of_the_feature() {
    let access = Access {
        catalogs: Catalogs::default(),
        stores: Stores::default(),
        fs: Arc::new(crate::fs::Disk),
    };
    let table = TableSettings::new("lake", "shop.orders").unwrap();
    let error = open(&access, &table).await.unwrap_err();
    assert_eq!(
        error.message(),
        "this build has no Iceberg: build with --features iceberg"
    );
}
