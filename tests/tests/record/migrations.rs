//! Migrations that databases have run are never edited, and those to come only add (decision 19).

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha384};

/// The beginning of each file's SHA-384, which is what sqlx compares with the one that a database ran. A release adds its
/// own; no line is ever changed.
const RELEASED: [(&str, &str); 22] = [
    ("0001_event_log", "b003540d14b2d4fb"),
    ("0002_append_events", "2e2099512569fe9a"),
    ("0003_vault", "1920195b6d331a20"),
    ("0004_short_lived", "c3c0357e0b5aeb38"),
    ("0005_views", "21182dffb67b3cec"),
    ("0006_people_views", "6a2c8118eb705239"),
    ("0007_app_views", "e94857be7615b345"),
    ("0008_audit_view", "aa017e32b834f253"),
    ("0009_lean_log", "3b3e01d48ec41761"),
    ("0010_short_lived_unlogged", "18de9dee6347ad52"),
    ("0011_grant_cutoffs", "14fe31963b8d85ef"),
    ("0012_ids_as_bytes", "0a11e647d5adaaec"),
    ("0019_prune_revoked_tokens", "f8b512c5d0b10fa5"),
    ("0020_attempts", "03b111f06d4cd5f2"),
    ("0021_mails", "ca2780a274ddff9d"),
    ("0040_encryption_key_rotation", "48dc0df89f9dacb0"),
    ("0050_mail_limits", "b3d9b70548ebb149"),
    ("0051_attempts_told", "dde7bd163978657a"),
    ("0060_pictures", "f5b973f1922bcfb8"),
    ("0061_pruned", "95a7a5e1bb5b9eef"),
    ("0062_enabling_cuts_off", "f7b80c67035d136e"),
    ("0063_begin_append_unasked", "0102b3cb2c7c3fd4"),
];

/// The first of the migrations that are run while nodes of the release before still work.
const FIRST_WITH_NODES_OF_THE_RELEASE_BEFORE: &str = "0030";

/// What takes away or renames something that the release before may use, or locks a table for long.
const CONTRACTIONS: [&str; 8] =
    ["DROP TABLE", "DROP COLUMN", "DROP FUNCTION", "DROP SCHEMA", "RENAME", "ALTER COLUMN", "SET NOT NULL", "TRUNCATE"];

fn migrations() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&file).unwrap()))
        .collect()
}

#[test]
fn ev14_what_databases_have_run_is_as_it_was() {
    let migrations = migrations();
    for (name, digest) in RELEASED {
        let text = migrations.get(name).unwrap_or_else(|| panic!("{name} is gone"));
        let now: String = Sha384::digest(text)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(now, digest, "{name} was edited: databases that ran it would refuse to start");
    }
}

#[test]
fn ev14_a_migration_leaves_the_nodes_of_the_release_before_working() {
    for (name, text) in migrations() {
        if name.as_str() < FIRST_WITH_NODES_OF_THE_RELEASE_BEFORE || name[5..].starts_with("contract") {
            continue;
        }
        let statements = text.lines().filter(|line| !line.trim_start().starts_with("--"));
        let statements = statements.collect::<Vec<_>>().join(" ").to_uppercase();
        let statements = statements.split_whitespace().collect::<Vec<_>>().join(" ");
        // How a column is stored is nobody's business but the server's.
        let statements = statements.split(';').filter(|statement| !statement.contains("SET STORAGE"));
        let contracts = |words: &&str| statements.clone().any(|statement| statement.contains(words));
        let found: Vec<_> = CONTRACTIONS.into_iter().filter(contracts).collect();
        assert!(found.is_empty(), "{name}: {found:?} is for a migration named `contract_…`, a release later");
    }
}
