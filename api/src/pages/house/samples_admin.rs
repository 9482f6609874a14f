//! The admin pages as they might be.

use super::samples::{empty_roll, frame, passkeys, picture, portrait, profile, roll, sessions, shown, when};
use super::*;

pub fn all(say: &str) -> Vec<(&'static str, String)> {
    [people(say), groups(say), super::samples_clients::all(say), record(say)].concat()
}

pub fn filters(say: &str) -> Filters {
    let any = |label: &str| vec![Choice::new("", label, true), Choice::new("1", format!("Ada Lindqvist{say}"), false)];
    Filters {
        path: format!("/admin/history{say}"),
        text: say.into(),
        people: any("Anyone"),
        apps: any("Any app"),
        kinds: any("Anything"),
        places: any("Anywhere"),
        from: "2026-11-01".into(),
        to: String::new(),
        any: true,
    }
}

pub fn map(say: &str) -> Map {
    let point = |place: &str, latitude, longitude, count, refused| Point {
        latitude,
        longitude,
        count,
        refused,
        place: format!("{place}{say}"),
    };
    Map::draw(
        "Sign-ins of the last 30 days by place",
        &[
            point("Stockholm", 59.3, 18.1, 41, false),
            point("Berlin", 52.5, 13.4, 12, false),
            point("Lisbon", 38.7, -9.1, 3, false),
            point("Jakarta", -6.2, 106.8, 1, true),
            point("Nowhere", f64::NAN, 0.0, 1, false),
        ],
    )
}

fn claims(action: &str, say: &str) -> ClaimsForm {
    ClaimsForm {
        seen: "\"the entity tag\"".into(),
        action: action.into(),
        claims: vec![
            ClaimRow { key: format!("team{say}"), value: format!("ops{say}"), wrong: None },
            ClaimRow { key: "email".into(), value: "x".into(), wrong: Some(format!("Reserved{say}")) },
        ],
        suggestions: vec![format!("team{say}")],
    }
}

pub fn revealed(label: &str, say: &str) -> Revealed {
    Revealed {
        label: label.into(),
        value: format!("https://id.example.org/enroll/AZq7w0m1dTq0u9i3kF1s2eXJ8c4y5b6n7m8k9j0h1g2{say}"),
        says: "Copy it now: it cannot be shown again. It works once, until tomorrow 14:02.".into(),
    }
}

pub fn choices(say: &str) -> Vec<Choice> {
    vec![
        Choice::new("1", format!("The family{say}"), true),
        Choice::new("2", "Editors", false),
        Choice::new("3", "Friends of the house", true),
    ]
}

fn people(say: &str) -> Vec<(&'static str, String)> {
    let person = |name: &str, is_disabled: bool, has_passkey: bool| PersonRow {
        id: "1".into(),
        name: format!("{name}{say}"),
        portrait: portrait(&name[..1]),
        username: format!("{}{say}", name.to_lowercase().replace(' ', ".")),
        email: Some(format!("mail@example.org{say}")),
        is_admin: !is_disabled && has_passkey,
        is_disabled,
        passkeys: if has_passkey { "2 passkeys".into() } else { "No passkey yet".into() },
        has_passkey,
        last_sign_in: has_passkey.then(|| when("4 minutes ago")),
    };
    let list = People {
        frame: frame(Room::People),
        search: say.into(),
        people: vec![
            person("Ada Lindqvist", false, true),
            person("Jun Park", false, false),
            person("Mira Okafor", true, true),
        ],
        pages: Pages::numbered("21–40 of 134", Some("?page=1".into()), Some("?page=3".into())),
    };
    let new = NewPerson {
        frame: frame(Room::People),
        form: profile(
            "/admin/people/new",
            say,
            ProfileRights::NewPerson { email_verified: false, is_admin: false, groups: choices(say) },
        ),
    };
    let page = PersonPage {
        seen: "\"the entity tag\"".into(),
        frame: frame(Room::People),
        id: "1".into(),
        name: format!("Jun Park{say}"),
        portrait: portrait("J"),
        registered: "3 March 2026".into(),
        is_admin: false,
        is_disabled: false,
        is_you: false,
        is_static: false,
        profile: profile("/admin/people/1", say, ProfileRights::Admin { email_verified: true }),
        picture: picture("/admin/people/1", say),
        groups: choices(say),
        passkeys: passkeys(say),
        sessions: sessions(say),
        link: Some(revealed("Link for Jun Park", say)),
        open_link: None,
        claims: claims("/admin/people/1/claims", say),
        latest: roll(say),
    };
    let bare = PersonPage {
        is_admin: true,
        is_disabled: true,
        groups: Vec::new(),
        passkeys: Vec::new(),
        sessions: Vec::new(),
        link: None,
        open_link: Some(format!("A link from 2 November is open until tomorrow 14:02.{say}")),
        claims: ClaimsForm { claims: Vec::new(), ..page.claims.clone() },
        latest: empty_roll("Nothing yet."),
        ..page.clone()
    };
    vec![
        ("people", shown(&list)),
        ("people_none", shown(&People { people: Vec::new(), pages: Pages::default(), ..list.clone() })),
        ("person_new", shown(&new)),
        ("person", shown(&page)),
        ("person_bare", shown(&bare)),
        ("person_static", shown(&PersonPage { is_static: true, ..bare.clone() })),
        ("person_you", shown(&PersonPage { is_you: true, ..bare.clone() })),
    ]
}

fn groups(say: &str) -> Vec<(&'static str, String)> {
    let row = |friendly_name: &str, name: &str| GroupRow {
        id: "1".into(),
        friendly_name: format!("{friendly_name}{say}"),
        name: format!("{name}{say}"),
        members: "3 people".into(),
    };
    let list = Groups {
        frame: frame(Room::Groups),
        search: String::new(),
        groups: vec![row("The family", "family"), row("Editors", "editors")],
        pages: Pages::default(),
    };
    let page = GroupPage {
        seen: "\"the entity tag\"".into(),
        frame: frame(Room::Groups),
        id: "1".into(),
        title: format!("The family{say}"),
        known_as: format!("family{say}"),
        friendly_name: Field::new(format!("The family{say}")),
        name: Field::new(format!("family{say}")),
        members: vec![Member {
            id: "1".into(),
            name: format!("Ada Lindqvist{say}"),
            portrait: portrait("A"),
            username: format!("ada{say}"),
        }],
        pages: Pages::numbered("51 members", None, Some("/admin/groups/1?search=&page=2".into())),
        candidates: vec![Choice::new(format!("jun{say}"), format!("Jun Park{say}"), false)],
        new_member: Field::refused(say, "Nobody has this username."),
        apps: vec![(format!("Forgejo{say}"), "forgejo".into()), ("Coder".into(), "coder".into())],
        claims: claims("/admin/groups/1/claims", say),
    };
    let new = NewGroup { frame: frame(Room::Groups), friendly_name: Field::default(), name: Field::new(say) };
    vec![
        ("groups", shown(&list)),
        ("groups_none", shown(&Groups { groups: Vec::new(), ..list.clone() })),
        ("group", shown(&page)),
        ("group_empty", shown(&GroupPage { members: Vec::new(), apps: Vec::new(), ..page.clone() })),
        ("group_new", shown(&new)),
    ]
}

fn record(say: &str) -> Vec<(&'static str, String)> {
    let figure = |label: &str, value: &str| Figure { label: label.into(), value: value.into(), href: None };
    let health = |tone, part: &str, says: &str| Health { tone, part: part.into(), says: format!("{says}{say}") };
    let overview = Overview {
        frame: frame(Room::Overview),
        figures: vec![
            Figure { href: Some("/admin/people".into()), ..figure("People", "14") },
            figure("Sign-ins, 30 days", "56"),
            figure("Refused, 30 days", "1"),
            Figure { href: Some("/admin/apps".into()), ..figure("Apps", "9") },
        ],
        health: vec![
            health(Tone::Good, "History", "Up to date at 48,213"),
            health(Tone::Mind, "Places", "The GeoLite database is 94 days old"),
            health(Tone::Stop, "Search", "Stopped at 48,190: see the server’s log"),
        ],
        next_steps: vec![(format!("Connect the first app{say}"), "/admin/apps/new".into())],
        latest: roll(say),
    };
    let key = |name: &str, is_expired: bool| ApiKey {
        id: "1".into(),
        name: format!("{name}{say}"),
        description: format!("Keeps apps and groups in step{say}"),
        created: when("3 March 2026"),
        expires: when("3 March 2027"),
        is_expired,
        last_used: is_expired.then(|| when("yesterday")),
    };
    let keys = ApiKeys {
        frame: Frame { notice: Some(Notice::stop(format!("That date is past{say}"))), ..frame(Room::ApiKeys) },
        key: Some(revealed("API key", say)),
        keys: vec![key("Terraform", false), key("Backup script", true)],
        pages: Pages::numbered("2 keys", None, None),
        name: Field::new(say),
        description: Field::default(),
        expires_at: Field::refused("2026-01-01", "Choose a day in the future."),
    };
    let history = History {
        frame: frame(Room::History),
        since: "3 March 2026".into(),
        proven: Some(format!("Proven to 48,211 · 14 s ago{say}")),
        map: map(say),
        figures: vec![
            figure("Sign-ins, 30 days", "56"),
            figure("Refused", "1"),
            figure("New devices", "2"),
            figure("Changes by admins", "9"),
        ],
        lag: Some(Notice::mind("The history is catching up: 120 entries to go.")),
        filters: filters(say),
        roll: roll(say),
    };
    let fact = |label: &str, value: &str| Fact { label: label.into(), value: format!("{value}{say}"), href: None };
    let raw = RawEvent {
        frame: frame(Room::History),
        position: "48,212".into(),
        name: format!("session.started, version 1{say}"),
        sentence: Roll {
            days: vec![Day { label: "Today".into(), entries: vec![roll(say).days[0].entries[1].clone()] }],
            ..Roll::default()
        },
        facts: vec![
            Fact { href: Some("/admin/history?text=x".into()), ..fact("Stream", "session · 0196a1d2-4f3b-7c11") },
            fact("Sequence", "1"),
            fact("Event id", "0196a1d2-4f3b-7c11-9d2e-0a1b2c3d4e5f"),
            fact("Trace", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ],
        payload: format!("{{\n  \"Started\": {{\n    \"user_id\": \"{say}\"\n  }}\n}}"),
        metadata: "{\n  \"actor\": \"user\"\n}".into(),
        previous: Some("/admin/history/48211".into()),
        next: Some("/admin/history/48213".into()),
    };
    vec![
        ("diagnostics", shown(&diagnostics(say))),
        ("overview", shown(&overview)),
        ("api_keys", shown(&keys)),
        ("mail", shown(&mail_page(say))),
        (
            "mail_off",
            shown(&MailPage { settings: Vec::new(), own_address: None, letters: Vec::new(), ..mail_page(say) }),
        ),
        ("api_keys_none", shown(&ApiKeys { key: None, keys: Vec::new(), ..keys.clone() })),
        ("history", shown(&history)),
        ("history_none", shown(&History { roll: empty_roll("Nothing matches. Loosen a filter."), ..history.clone() })),
        ("raw_event", shown(&raw)),
    ]
}

fn diagnostics(say: &str) -> Diagnostics {
    let hop = |told_by: &str, address: &str, tone, verdict: &str| Hop {
        told_by: told_by.into(),
        address: format!("{address}{say}"),
        tone,
        verdict: verdict.into(),
    };
    let header = |name: &str, value: &str, counts| Header {
        name: name.into(),
        value: format!("{value}{say}"),
        counts,
        says: "It comes from a proxy you trust.".into(),
    };
    let fact = |label: &str, value: &str| Fact { label: label.into(), value: value.into(), href: None };
    let failed = |what: &str, tone, state: &str| Failed {
        what: format!("{what}{say}"),
        network: "203.0.113.7".into(),
        tone,
        state: state.into(),
    };
    Diagnostics {
        frame: frame(Room::Diagnostics),
        address: "203.0.113.7".into(),
        place: "Stockholm, Sweden, within 20 km".into(),
        hops: vec![
            hop("The connection", "172.30.99.2", Tone::Mind, "a proxy you trust"),
            hop("X-Forwarded-For", "203.0.113.7", Tone::Good, "not a proxy you trust, so this is the visitor"),
        ],
        advice: vec![Notice::mind("Your proxy was asked over http, but APP_URL begins with https.")],
        headers: vec![header("X-Forwarded-For", "203.0.113.7", true), header("Forwarded", "for=198.51.100.1", false)],
        failed: vec![
            failed("Ada Lindqvist’s passkeys", Tone::Stop, "Refused until 12:00:15 UTC"),
            failed("Links to create a passkey", Tone::Mind, "3 of 10 failures used"),
        ],
        places: vec![fact("Database", "GeoLite2-City"), fact("Built", "20 November 2026, 4 days old")],
    }
}

fn mail_page(say: &str) -> MailPage {
    let letter = |tone, state, about, failure: Option<&str>| Letter {
        tone,
        state,
        about,
        to: format!("Ada Lindqvist{say}"),
        address: "ada@example.org".into(),
        at: when("4 minutes ago"),
        failure: failure.map(|failure| format!("{failure}{say}")),
    };
    MailPage {
        frame: frame(Room::Mail),
        settings: vec![
            ("Mail server", format!("smtp.example.org:587{say}")),
            ("Encryption", "STARTTLS".into()),
            ("At most", "1000 an hour".into()),
        ],
        own_address: Some(format!("ada@example.org{say}")),
        letters: vec![
            letter(Tone::Good, "Sent", "Invitation", None),
            letter(Tone::Mind, "Will be tried again", "New device or place", Some("Connection refused")),
            letter(Tone::Stop, "Given up", "Test mail", Some("550 No such mailbox")),
        ],
    }
}
