//! What the API calls events: as Pocket ID does where it has the same one, else our own names in its way of writing.

/// Several of ours may be one of Pocket ID's: it calls a first consent and a wider one alike.
const SHARED: &[(&str, &str)] = &[
    ("session.started", "SIGN_IN"),
    ("user.registered", "ACCOUNT_CREATED"),
    ("grant.authorized", "CLIENT_AUTHORIZATION"),
    ("consent.given", "NEW_CLIENT_AUTHORIZATION"),
    ("consent.widened", "NEW_CLIENT_AUTHORIZATION"),
    ("user.passkey_enrolled", "PASSKEY_ADDED"),
    ("user.passkey_removed", "PASSKEY_REMOVED"),
];

/// No event has a longer name.
const LONGEST: usize = 64;

pub fn api_name(own: &str) -> String {
    match SHARED.iter().find(|(known, _)| *known == own) {
        Some((_, shared)) => (*shared).to_owned(),
        None => own.replace('.', "_").to_uppercase(),
    }
}

/// The events that the API gives this name to. One of ours has a single dot, which any underscore may have been.
pub fn own_names(name: &str) -> Vec<String> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let shared = SHARED.iter().filter(|(_, shared)| *shared == name).map(|(own, _)| (*own).to_owned());
    let lower = name.to_ascii_lowercase();
    let written = lower.match_indices('_').map(|(at, _)| format!("{}.{}", &lower[..at], &lower[at + 1..]));
    shared.chain(written.filter(|own| api_name(own) == name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_name_the_api_gives_leads_back_to_the_event() {
        for own in ["session.started", "consent.widened", "sign_in_attempt.failed", "user.signed_out_everywhere"] {
            assert!(own_names(&api_name(own)).contains(&own.to_owned()), "{own}");
        }
        assert_eq!(own_names("NEW_CLIENT_AUTHORIZATION")[..2], ["consent.given", "consent.widened"]);
    }

    #[test]
    fn a_name_that_the_api_never_gives_leads_nowhere() {
        for name in ["SESSION_STARTED", "session.started", "sign_in", "CONSENT_WIDENED", "", "SIGN"] {
            assert!(!own_names(name).iter().any(|own| api_name(own) != name), "{name}");
        }
        assert_eq!(own_names("SESSION_STARTED"), Vec::<String>::new());
        assert_eq!(own_names(&"_".repeat(60_000)), Vec::<String>::new());
    }
}
