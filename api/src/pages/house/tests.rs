use super::samples;
use super::{Map, Point, Room};

#[test]
fn every_page_has_a_language_a_title_and_one_heading() {
    for (name, html) in samples::all("") {
        assert!(html.contains(r#"<html lang="en">"#), "{name}");
        assert!(html.contains(" · Hearth</title>"), "{name}");
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        assert_eq!(html.matches("<main").count(), 1, "{name}");
    }
}

#[test]
fn every_page_marks_its_room_in_the_rail() {
    for (name, html) in samples::all("") {
        assert_eq!(html.matches(r#" aria-current="page""#).count(), 1, "{name}");
    }
}

/// WR-12: whatever a person, an app or a browser wrote stays text.
#[test]
fn wr_12_hostile_text_stays_text() {
    let hostile = r#""'><script>alert(1)</script><img src=x onerror=alert(1)>"#;

    let pages = samples::all(hostile);

    for (name, html) in pages {
        let shown_somewhere = html.contains("&#60;script&#62;alert(1)");
        assert!(shown_somewhere || MAY_SHOW_NOTHING.contains(&name), "{name} shows none of its text");
        assert!(!html.contains("<script>"), "{name}");
        assert!(!html.contains("<img src=x"), "{name}");
        assert!(!html.contains("\"'>"), "{name}");
    }
}

/// The strict content security policy allows neither.
#[test]
fn no_page_has_inline_script_or_style() {
    for (name, html) in samples::all("") {
        assert!(!html.contains(" style="), "{name}");
        assert!(!html.contains("<style"), "{name}");
        assert!(!html.contains(" onclick="), "{name}");
        assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=").count(), "{name}");
    }
}

/// WCAG 2.2 SC 4.1.2 and 1.3.1.
#[test]
fn every_control_has_a_label_and_every_id_is_unique() {
    for (name, html) in samples::all("") {
        let controls = ["<input ", "<select ", "<textarea "].iter().flat_map(|start| tags(&html, start));
        for control in controls.filter(|tag| !tag.contains(r#"type="hidden""#)) {
            let label = attribute(control, "id").map(|id| format!(r#"for="{id}""#));
            let is_labelled = label.is_some_and(|label| html.contains(&label)) || control.contains(" aria-label=");
            assert!(is_labelled, "{name}: {control}");
        }
        let mut ids: Vec<&str> = tags(&html, "<").filter_map(|tag| attribute(tag, "id")).collect();
        ids.sort_unstable();
        let doubled: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(doubled.is_empty(), "{name}: {doubled:?}");
    }
}

/// WCAG 2.2 SC 1.3.1: hints and errors belong to a control that names them.
#[test]
fn every_description_exists() {
    for (name, html) in samples::all("") {
        for ids in tags(&html, "<").filter_map(|tag| attribute(tag, "aria-describedby")) {
            for id in ids.split(' ') {
                assert!(html.contains(&format!(r#"id="{id}""#)), "{name}: {id}");
            }
        }
    }
}

#[test]
fn a_page_asks_for_one_thing_at_most() {
    for (name, html) in samples::all("") {
        let primary =
            tags(&html, "<").filter(|tag| attribute(tag, "class").is_some_and(|class| class.contains("primary")));
        assert!(primary.count() <= 1, "{name}");
    }
}

#[test]
fn the_rail_shows_administration_to_administrators_only() {
    let pages = samples::all("");
    let page = |wanted: &str| pages.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();

    assert!(page("account").contains("href=\"/admin/people\""));
    assert!(!page("account_reader").contains("/admin"));
}

#[test]
fn every_room_has_its_own_path() {
    let frame = samples::frame(Room::Account);
    let mut paths: Vec<_> = frame.own_rooms().iter().chain(frame.admin_rooms()).map(Room::path).collect();

    paths.sort_unstable();
    paths.dedup();

    assert_eq!(paths.len(), 13);
}

#[test]
fn the_map_puts_places_where_they_are_and_tells_them_in_words() {
    let point = |place: &str, latitude, longitude, refused| Point {
        latitude,
        longitude,
        count: 1,
        refused,
        place: place.into(),
    };

    let map = Map::draw("Sign-ins", &[point("Null Island", 0.0, 0.0, false), point("Suva", -18.0, 180.0, true)]);

    let svg = map.to_string();
    assert!(svg.contains(r#"<circle class="at" cx="720" cy="336""#));
    assert!(svg.contains(r#"<circle class="refusal" cx="1440" cy="408""#));
    assert!(svg.contains(r#"aria-label="Sign-ins: Null Island 1, 1 refused from Suva""#));
}

#[test]
fn the_map_leaves_out_what_is_on_no_earth() {
    let point = |latitude, longitude| Point { latitude, longitude, count: 0, refused: false, place: "x".into() };

    let map = Map::draw("Sign-ins", &[point(f64::NAN, 0.0), point(0.0, f64::INFINITY), point(91.0, 0.0)]);

    assert_eq!(map.to_string().matches("<circle").count(), 0);
    assert!(Map::draw("Sign-ins", &[]).to_string().contains("Sign-ins: none yet"));
}

#[test]
fn the_map_counts_the_places_it_does_not_name() {
    let points: Vec<Point> = (0..15)
        .map(|count| Point { latitude: 0.0, longitude: 0.0, count, refused: false, place: format!("p{count}") })
        .collect();

    let svg = Map::draw("Sign-ins", &points).to_string();

    assert!(svg.contains("Sign-ins: p14 14, "));
    assert!(svg.contains(", and 3 more places"));
}

/// Writes every page into the folder that `PAGES_PREVIEW` names, to be looked at in a browser.
#[test]
fn pages_can_be_looked_at() {
    let Some(folder) = std::env::var_os("PAGES_PREVIEW") else { return };
    let folder = std::path::PathBuf::from(folder);

    for (name, html) in samples::all("") {
        std::fs::write(folder.join(name).with_extension("html"), html).unwrap();
    }
}

fn tags<'html>(html: &'html str, start: &'html str) -> impl Iterator<Item = &'html str> {
    html.match_indices(start).filter_map(|(at, _)| html[at..].split_once('>').map(|(tag, _)| tag))
}

fn attribute<'tag>(tag: &'tag str, name: &str) -> Option<&'tag str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

const MAY_SHOW_NOTHING: &[&str] =
    &["apps_none", "passkeys_none", "groups_none", "clients_none", "activity_none", "mail_off"];
