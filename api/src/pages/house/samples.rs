//! Pages as they might be, for the tests and for looking at them.

use askama::Template;

use super::*;
use crate::pages::assets::provider_icon;
use crate::user_agent::Shape;

/// Each page's name and its HTML.
pub fn all(say: &str) -> Vec<(&'static str, String)> {
    let mut pages = account(say);
    pages.extend(super::samples_admin::all(say));
    pages
}

pub fn shown(page: &impl Template) -> String {
    page.render().unwrap()
}

pub fn frame(room: Room) -> Frame {
    Frame {
        instance_name: "Hearth".into(),
        mark: "mark.svg".into(),
        chancery_css: "chancery.css".into(),
        house_css: "house.css".into(),
        house_js: "house.js".into(),
        ceremony_js: matches!(room, Room::Passkeys).then(|| "enroll.js".into()),
        person: "Ada Lindqvist".into(),
        person_id: "6f2d0c3e".into(),
        portrait: portrait("A"),
        is_admin: true,
        room,
        notice: None,
        attribution: Some(Attribution { says: "Places by", name: "a maker", href: "https://maker.example" })
            .filter(|_| room.shows_places()),
    }
}

pub fn portrait(letter: &str) -> Portrait {
    Portrait { picture: None, letter: letter.into() }
}

pub fn picture(page: &str, say: &str) -> PictureForm {
    let portrait = Portrait { picture: Some(format!("picture.png{say}")), letter: "A".into() };
    PictureForm { page: page.into(), portrait, wrong: Some(format!("This picture is too large.{say}")) }
}

pub fn when(says: &str) -> When {
    When::new(says, "2026-11-23T14:02:11Z")
}

pub fn profile(action: &str, say: &str, rights: ProfileRights) -> ProfileForm {
    ProfileForm {
        seen: "\"the entity tag\"".into(),
        action: action.into(),
        username: Field::refused(format!("ada{say}"), "Somebody else has this username. Choose another one."),
        first_name: Field::new("Ada"),
        last_name: Field::new(format!("Lindqvist{say}")),
        display_name: Field::new("Ada Lindqvist"),
        email: Field::new("ada@example.org"),
        rights,
    }
}

pub fn passkeys(say: &str) -> Vec<Passkey> {
    let passkey = |id: &str, name: &str, place, state| Passkey {
        id: id.into(),
        name: format!("{name}{say}"),
        icon: provider_icon("1password.svg").map(|(light, dark)| PasskeyIcon { light, dark }),
        created: when("3 March 2026"),
        last_used: Some(LastUse {
            when: when("4 minutes ago"),
            place: format!("Stockholm{say}"),
            device: "Safari on macOS".into(),
        }),
        place,
        signed_you_in: id == "1",
        state,
    };
    vec![
        passkey("1", "iCloud Keychain", PasskeyPlace::Synced, PasskeyState::Usable),
        passkey("2", "YubiKey 5C", PasskeyPlace::ThisKeyOnly, PasskeyState::Suspended),
        Passkey {
            last_used: None,
            ..passkey("3", "Windows Hello", PasskeyPlace::ThisDeviceOnly, PasskeyState::LastUsable)
        },
    ]
}

pub fn sessions(say: &str) -> Vec<SessionRow> {
    let session = |id: &str, device: &str, shape, place: &str| SessionRow {
        id: id.into(),
        device: device.into(),
        shape,
        place: format!("{place}{say}"),
        address: "203.0.113.7".into(),
        since: when("today 14:02"),
        active: when("4 minutes ago"),
        passkey: Some(format!("iCloud Keychain{say}")),
        is_this: id == "1",
    };
    vec![
        session("1", "Safari on macOS", Shape::Computer, "Stockholm, Sweden"),
        session("2", "Firefox on Android", Shape::Phone, "Berlin, Germany"),
        session("3", "Chrome on Android", Shape::Tablet, "Private network"),
        session("4", "An app", Shape::Program, "Unknown place"),
    ]
}

pub fn roll(say: &str) -> Roll {
    let name = |name: &str| Word::Name(format!("{name}{say}"));
    let plain = |text: &str| Word::Plain(text.into());
    let entry = |position: &str, says: Vec<Word>, from: Vec<Detail>| Entry {
        position: position.into(),
        says,
        time: "14:02:11".into(),
        iso: "2026-11-23T14:02:11Z".into(),
        from,
        raw: Some(format!("/admin/history/{}", position.replace(',', ""))),
        ..Entry::default()
    };
    let place = |place: &str| Detail::Plain(format!("{place}{say}"));
    let today = vec![
        entry(
            "48,213",
            vec![name("Forgejo"), plain(" received tokens for "), name("Ada Lindqvist")],
            vec![Detail::Plain("openid, profile, email, groups".into())],
        ),
        entry(
            "48,212",
            vec![
                Word::Link { name: format!("Ada Lindqvist{say}"), href: "/admin/people/1".into() },
                plain(" signed in with "),
                name("iCloud Keychain"),
            ],
            vec![
                place("Stockholm, Sweden"),
                Detail::Mono("203.0.113.7".into()),
                Detail::Plain("Safari on macOS".into()),
                Detail::GoodTag("Known device".into()),
            ],
        ),
        Entry {
            refused: true,
            ..entry(
                "48,207",
                vec![plain("A sign-in was refused: this passkey was removed on 2 November")],
                vec![
                    place("Jakarta, Indonesia"),
                    Detail::Mono("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".into()),
                    Detail::StopTag("New place".into()),
                ],
            )
        },
    ];
    let yesterday = vec![
        Entry {
            changes: vec![
                Change { what: "Who may use it".into(), before: "everyone".into(), after: format!("editors{say}") },
                Change { what: "Launch URL".into(), before: String::new(), after: "https://coder.example.org".into() },
            ],
            ..entry(
                "48,190",
                vec![name("Ada Lindqvist"), plain(" changed the settings of "), name("Coder")],
                vec![
                    place("Stockholm, Sweden"),
                    Detail::Plain("confirmed with YubiKey 5C".into()),
                    Detail::Link { says: "Who lost access?".into(), href: "/admin/apps/coder".into() },
                ],
            )
        },
        entry(
            "48,188",
            vec![name("Jun Park"), plain(" enrolled a second passkey, "), name("YubiKey 5C")],
            vec![place("Berlin, Germany"), Detail::Tag("This key only".into())],
        ),
    ];
    Roll {
        days: vec![
            Day { label: "Today".into(), entries: today },
            Day { label: "Yesterday".into(), entries: yesterday },
        ],
        pages: Pages::by_time(None, Some("?before=48188".into())),
        empty: String::new(),
    }
}

pub fn empty_roll(says: &str) -> Roll {
    Roll { empty: says.into(), ..Roll::default() }
}

fn account(say: &str) -> Vec<(&'static str, String)> {
    let account = Account {
        frame: Frame { notice: Some(Notice::good(format!("Saved{say}"))), ..frame(Room::Account) },
        name: format!("Ada Lindqvist{say}"),
        username: format!("ada{say}"),
        email: Some(format!("ada@example.org{say}")),
        email_verified: true,
        can_verify: false,
        groups: vec![format!("family{say}"), "editors".into()],
        passkeys: "3 passkeys".into(),
        sessions: "4 devices".into(),
        picture: picture("/account", say),
        form: Some(profile("/account", say, ProfileRights::Own)),
    };
    let reader = Account {
        frame: Frame { is_admin: false, ..frame(Room::Account) },
        email: None,
        groups: Vec::new(),
        form: None,
        ..account.clone()
    };
    let ways_in = Passkeys {
        frame: frame(Room::Passkeys),
        advice: Some(Notice::good(format!("Two passkeys from different makers: losing one won’t lock you out.{say}"))),
        passkeys: passkeys(say),
        next: "/account/passkeys".into(),
    };
    let none = Passkeys { advice: Some(Notice::mind("You have no passkey.")), passkeys: Vec::new(), ..ways_in.clone() };
    let app = |name: &str, receives: &[&str]| App {
        client_id: "forgejo".into(),
        name: format!("{name}{say}"),
        letter: name[..1].into(),
        launch_url: Some(format!("https://{}.example.org", name.to_lowercase())),
        receives: receives.iter().map(|claim| format!("{claim}{say}")).collect(),
        since: when("3 March 2026"),
        last_used: Some(when("4 minutes ago")),
    };
    let apps = Apps {
        frame: frame(Room::Apps),
        apps: vec![app("Forgejo", &["name", "e-mail", "groups"]), App { last_used: None, ..app("Linkding", &[]) }],
    };
    let activity = Activity {
        frame: frame(Room::Activity),
        map: Some(super::samples_admin::map(say)),
        filters: Filters { people: Vec::new(), ..super::samples_admin::filters(say) },
        roll: roll(say),
    };
    let confirm = Confirm {
        frame: frame(Room::Passkeys),
        asks: format!("Remove YubiKey 5C{say}?"),
        says: "It will not let you in any more.".into(),
        consequences: vec![
            "Your browser is told, so that it stops offering it.".into(),
            format!("You still have 2 other passkeys{say}."),
        ],
        action: "/account/passkeys/2/remove".into(),
        button: "Remove YubiKey 5C".into(),
        back: "/account/passkeys".into(),
    };
    vec![
        ("account", shown(&account)),
        ("account_reader", shown(&reader)),
        ("passkeys", shown(&ways_in)),
        ("passkeys_none", shown(&none)),
        ("sessions", shown(&Sessions { frame: frame(Room::Sessions), sessions: sessions(say) })),
        ("apps", shown(&apps)),
        ("apps_none", shown(&Apps { apps: Vec::new(), ..apps.clone() })),
        ("activity", shown(&activity)),
        ("activity_none", shown(&Activity { map: None, roll: empty_roll("Nothing yet."), ..activity.clone() })),
        ("confirm", shown(&confirm)),
    ]
}
