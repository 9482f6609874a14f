//! The pages of the documentation that are about the record.

use std::path::Path;

fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else {
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

/// Stored names, `aggregate.event`, of all events in the code.
fn event_names() -> Vec<String> {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src"));
    let renames = sources.iter().flat_map(|text| text.split("#[serde(rename = \"").skip(1));
    renames.filter_map(|rest| rest.split('"').next()).filter(|name| name.contains('.')).map(str::to_owned).collect()
}

#[test]
fn the_catalogue_names_every_event_and_no_other() {
    let catalogue = include_str!("../../../docs/EVENTS.md");
    let mut names = event_names();
    assert!(names.len() > 40, "{names:?}");

    let aggregates = ["user", "enrollment", "session", "sign_in_attempt", "client", "consent", "grant", "group"];
    let known = |name: &str| {
        let aggregate = name.split('.').next().unwrap();
        [&aggregates[..], &["api_key", "encryption_key", "signing_key"]].concat().contains(&aggregate)
    };
    let quoted = catalogue.split('`').skip(1).step_by(2);
    let mut told: Vec<_> = quoted.filter(|text| text.contains('.') && known(text)).map(str::to_owned).collect();
    names.sort();
    told.sort();
    assert_eq!(told, names);
}

/// The variants of the enums whose names end so.
fn variants(source: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in source.split("pub enum ").skip(1).filter(|rest| rest.split(' ').next().unwrap().ends_with(ending)) {
        let body = rest.split("\n}").next().unwrap();
        // Variants stand at one level of indentation, their members deeper.
        let lines = body.lines().filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with(' ')));
        let names = lines.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap());
        found.extend(names.filter(|name| name.starts_with(char::is_uppercase)).map(str::to_owned));
    }
    found
}

#[test]
fn every_command_refusal_and_event_has_a_place_in_its_aggregates_tests() {
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src");
    let mut aggregates = 0;
    for entry in std::fs::read_dir(&domain).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(tests) = std::fs::read_to_string(folder.join("tests.rs")) else { continue };
        let source = sources(&folder).into_iter().filter(|text| *text != tests).collect::<String>();
        if !source.contains("impl Decider for") {
            continue;
        }
        aggregates += 1;
        let words: Vec<_> = tests.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        for ending in ["Command", "Refusal", "Event"] {
            let variants = variants(&source, ending);
            assert!(!variants.is_empty(), "{}: no {ending}", folder.display());
            let missing: Vec<_> = variants.iter().filter(|name| !words.contains(&name.as_str())).collect();
            assert!(missing.is_empty(), "{}: {missing:?}", folder.display());
        }
    }
    assert_eq!(aggregates, 11);
}
