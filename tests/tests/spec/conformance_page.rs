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

/// The attacks that were thought through: of each group, the numbers that there are. DF, PA, DP, DR and SS are about what does
/// not exist yet, as the page says at its end.
const ATTACKS: [(&str, &[u32]); 21] = [
    ("AZ", &[1, 2, 4, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17]),
    ("RU", &[1, 2, 4, 5, 6, 7, 8]),
    ("PK", &[1, 2, 3, 5, 6]),
    ("CR", &[1, 2, 4, 5, 6, 7]),
    ("TC", &[1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13]),
    ("RT", &[1, 2, 4, 5, 6, 7, 8, 9, 10]),
    ("IR", &[1, 2, 3, 4, 5]),
    ("UI", &[1, 2, 3, 4, 5]),
    ("ES", &[1, 2, 4, 5]),
    ("JK", &[1, 2, 3, 4, 6, 7]),
    ("WR", &[1, 2, 3, 4, 5, 7, 9, 10, 11, 12]),
    ("WA", &[1, 2, 4, 6, 7, 8, 9, 10]),
    ("SE", &[1, 2, 3, 4, 6, 8, 9, 10, 11, 12]),
    ("AD", &[1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15]),
    ("RL", &[1, 2, 4, 5, 6, 7, 8]),
    ("UP", &[1, 2, 4, 5, 6]),
    ("IN", &[1, 2, 3, 4, 5, 7, 8, 9]),
    ("UN", &[1, 3]),
    ("OR", &[1]),
    ("HB", &[1, 2, 3, 4, 5, 7, 8]),
    ("EV", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16]),
];

#[test]
fn every_attack_has_its_row() {
    // A rule begins with its ids: `RU-01, RU-02 to RU-04 …`.
    let mut named = HashSet::new();
    for (rule, _) in rows() {
        let words: Vec<_> = rule.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let id = |word: &str| {
            let (group, number) = word.split_once('-')?;
            Some((group.to_owned(), number.trim_end_matches([':', ';', '.']).parse::<u32>().ok()?))
        };
        for (at, word) in words.iter().enumerate() {
            let Some((group, number)) = id(word) else { continue };
            let up_to = words.get(at + 1).filter(|word| **word == "to").and_then(|_| id(words.get(at + 2)?));
            let last = up_to.filter(|(other, _)| *other == group).map_or(number, |(_, last)| last);
            named.extend((number..=last).map(|number| (group.clone(), number)));
        }
    }
    let all = ATTACKS.iter().flat_map(|(group, numbers)| numbers.iter().map(|number| ((*group).to_owned(), *number)));
    let missing: Vec<_> = all.filter(|attack| !named.contains(attack)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for group in ["DF", "PA", "DP", "DR", "SS"] {
        assert!(PAGE.split("The groups ").nth(1).is_some_and(|end| end.contains(group)), "{group}");
    }
}
