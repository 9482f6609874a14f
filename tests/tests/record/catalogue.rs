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
        [&aggregates[..], &["api_key", "signing_key"]].concat().contains(&aggregate)
    };
    let quoted = catalogue.split('`').skip(1).step_by(2);
    let mut told: Vec<_> = quoted.filter(|text| text.contains('.') && known(text)).map(str::to_owned).collect();
    names.sort();
    told.sort();
    assert_eq!(told, names);
}
