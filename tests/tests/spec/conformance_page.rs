//! The page on conformance names its tests; here they are looked for.

use std::collections::HashSet;
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/CONFORMANCE.md");

/// The names of all test functions in this repository.
fn tests() -> HashSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut names = HashSet::new();
    for folder in ["domain/src", "adapters", "projections/src", "api/src", "tests/tests"] {
        collect(&root.join(folder), &mut names);
    }
    names
}

fn collect(folder: &Path, names: &mut HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some(rest) = line.strip_prefix("async fn ").or(line.strip_prefix("fn ")) {
                    let name = rest.split('(').next().unwrap_or_default();
                    if std::mem::take(&mut is_test) {
                        names.insert(name.to_owned());
                    }
                }
            }
        }
    }
}

/// Rows of the page's tables: what, and the names in backticks beside it.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let section = PAGE.split("## Each rule and its test").nth(1).expect("the section is there");
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ");
        (cells.next().unwrap().trim(), cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect())
    })
    .collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let tests = tests();
    // Wire names in backticks have an underscore at most.
    let is_test = |name: &&str| name.matches('_').count() > 1;
    let named: Vec<_> = rows().into_iter().flat_map(|(_, names)| names).filter(is_test).collect();
    assert!(named.len() > 100, "{}", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_item_of_the_checklist_has_its_row() {
    let rows = rows();
    for item in (1..=52).chain(67..=72) {
        let row = rows.iter().find(|(rule, _)| rule.split(' ').next() == Some(&item.to_string()));
        assert!(row.is_some(), "item {item} has no row");
    }
}
