//! What changed, from what to what, in words.

use chancery_domain::client::ClientSettings;
use chancery_domain::custom_claim::CustomClaim;
use chancery_domain::group::GroupNames;
use chancery_domain::ids::GroupId;
use chancery_domain::oauth::redirect_uri::RedirectUri;
use chancery_domain::oauth::scope::{EMAIL, GROUPS, OFFLINE_ACCESS, PROFILE, Scopes};
use chancery_domain::user::Profile;

use super::sentence::{Change, Part, Thing, text, thing};

/// A change in one setting; nothing if there is none.
pub(super) fn one(what: &str, before: &str, after: &str) -> Vec<Change> {
    if before == after {
        return Vec::new();
    }
    vec![Change { what: what.to_owned(), before: value(before), after: value(after) }]
}

/// An empty value has no part.
fn value(value: &str) -> Vec<Part> {
    if value.is_empty() { Vec::new() } else { vec![text(value)] }
}

fn all<'a>(changes: impl IntoIterator<Item = (&'a str, String, String)>) -> Vec<Change> {
    changes.into_iter().flat_map(|(what, before, after)| one(what, &before, &after)).collect()
}

/// What a new person was called.
pub(super) fn first_profile(profile: Option<&Profile>, verified: bool) -> Vec<Change> {
    let Some(profile) = profile else { return Vec::new() };
    let nobody = Profile {
        username: String::new(),
        email: None,
        first_name: String::new(),
        last_name: String::new(),
        display_name: String::new(),
        locale: None,
    };
    let proven = if verified { one("E-mail address verified", "", &yes(true)) } else { Vec::new() };
    [self::profile(&nobody, profile), proven].concat()
}

pub(super) fn profile(before: &Profile, after: &Profile) -> Vec<Change> {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    all([
        ("Username", before.username.clone(), after.username.clone()),
        ("E-mail address", optional(&before.email), optional(&after.email)),
        ("First name", before.first_name.clone(), after.first_name.clone()),
        ("Last name", before.last_name.clone(), after.last_name.clone()),
        ("Name", before.display_name.clone(), after.display_name.clone()),
        ("Language", optional(&before.locale), optional(&after.locale)),
    ])
}

/// Whether the e-mail address counts as proven. Another address begins anew. Where an event does not say how it was, it was
/// the other way round if nothing else changed.
pub(super) fn verification(before: &Profile, after: &Profile, was: Option<bool>, verified: bool) -> Vec<Change> {
    let was = match was {
        _ if after.email.is_none() => return Vec::new(),
        _ if before.email != after.email => String::new(),
        Some(was) => yes(was),
        None if before == after => yes(!verified),
        None => return Vec::new(),
    };
    one("E-mail address verified", &was, &yes(verified))
}

pub(super) fn group_names(before: &GroupNames, after: &GroupNames) -> Vec<Change> {
    all([
        ("Name", before.friendly_name.clone(), after.friendly_name.clone()),
        ("Name for apps", before.name.clone(), after.name.clone()),
    ])
}

pub(super) fn claims(before: &[CustomClaim], after: &[CustomClaim]) -> Vec<Change> {
    let find = |claims: &[CustomClaim], key: &str| {
        claims.iter().find(|claim| claim.key == key).map(|claim| claim.value.clone()).unwrap_or_default()
    };
    let added = after.iter().filter(|claim| before.iter().all(|known| known.key != claim.key));
    before
        .iter()
        .chain(added)
        .flat_map(|claim| one(&claim.key, &find(before, &claim.key), &find(after, &claim.key)))
        .collect()
}

pub(super) fn settings(before: &ClientSettings, after: &ClientSettings) -> Vec<Change> {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    all([
        ("Name", before.name.clone(), after.name.clone()),
        ("Description", before.description.clone(), after.description.clone()),
        ("Callback URLs", urls(&before.redirect_uris), urls(&after.redirect_uris)),
        ("Sign-out callback URLs", urls(&before.post_logout_redirect_uris), urls(&after.post_logout_redirect_uris)),
        ("Runs without a secret", yes(before.is_public), yes(after.is_public)),
        ("PKCE required", yes(before.pkce_required), yes(after.pkce_required)),
        (
            "Asks for the passkey every time",
            yes(before.requires_reauthentication),
            yes(after.requires_reauthentication),
        ),
        ("Trusted without asking people", yes(before.skip_consent), yes(after.skip_consent)),
        ("Launch URL", optional(&before.launch_url), optional(&after.launch_url)),
        ("Only for chosen groups", yes(before.is_group_restricted), yes(after.is_group_restricted)),
        ("ID tokens signed with", before.id_token_algorithm.to_string(), after.id_token_algorithm.to_string()),
        ("ID tokens without the profile", yes(before.minimal_id_token), yes(after.minimal_id_token)),
        ("Access tokens last", lasting(before.access_token_seconds), lasting(after.access_token_seconds)),
        ("Can be renewed for", lasting(before.refresh_token_seconds), lasting(after.refresh_token_seconds)),
    ])
}

/// What a new app was given, as far as it is not what every app begins with.
pub(super) fn first_settings(settings: &ClientSettings) -> Vec<Change> {
    let chosen = self::settings(&ClientSettings::named(&settings.name), settings);
    chosen.into_iter().map(|change| Change { before: Vec::new(), ..change }).collect()
}

/// Scopes as people say them, after "to see".
pub(super) fn allowed(scopes: &Scopes) -> String {
    let words = [(PROFILE, "profile"), (EMAIL, "e-mail address"), (GROUPS, "groups")];
    let seen: Vec<&str> = words.iter().filter(|(scope, _)| scopes.contains(scope)).map(|(_, word)| *word).collect();
    let seen = match seen.as_slice() {
        [] => "who they are".to_owned(),
        [only] => format!("their {only}"),
        [others @ .., last] => format!("their {} and {last}", others.join(", ")),
    };
    if scopes.contains(OFFLINE_ACCESS) { format!("{seen}, also while they are away") } else { seen }
}

fn urls(urls: &[RedirectUri]) -> String {
    urls.iter().map(RedirectUri::as_str).collect::<Vec<_>>().join(", ")
}

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

/// In the largest unit that fits without a rest.
fn lasting(seconds: i64) -> String {
    let (number, unit) = match seconds {
        _ if seconds % 86_400 == 0 => (seconds / 86_400, "day"),
        _ if seconds % 3_600 == 0 => (seconds / 3_600, "hour"),
        _ if seconds % 60 == 0 => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

pub(super) fn chosen_groups(before: &[GroupId], after: &[GroupId]) -> Vec<Change> {
    if before == after {
        return Vec::new();
    }
    vec![Change { what: "Chosen groups".to_owned(), before: groups(before), after: groups(after) }]
}

/// Groups with commas between them.
pub(super) fn groups(groups: &[GroupId]) -> Vec<Part> {
    let comma = |nth: usize| (nth > 0).then(|| text(", "));
    groups.iter().enumerate().flat_map(|(nth, id)| comma(nth).into_iter().chain([thing(Thing::Group(*id))])).collect()
}
