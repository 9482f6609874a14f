//! Sentences about accounts: profiles, passkeys, groups, links and API keys.

use chancery_domain::Recorded;
use chancery_domain::api_key::ApiKeyEvent;
use chancery_domain::enrollment::{EnrollmentEvent, Purpose, RevokedWhy};
use chancery_domain::ids::UserId;
use chancery_domain::personal::Change;
use chancery_domain::user::{EnrolledVia, RegisteredVia, RemovedBy, UserEvent};

use super::changes;
use super::sentence::{Part, Sentence, Thing, day, named, passkey, person, strong, text, thing};
use super::whom::Whom;

/// `by` acted, or the person did it alone.
pub(super) fn user(event: &UserEvent, recorded: &Recorded, whom: &Whom, by: Part) -> Sentence {
    let Some(id) = whom.user else { return Sentence::from([by, text(" changed an account")]) };
    let themselves = recorded.context.actor.user() == Some(id);
    let whose = |own: &str, others: &str| match themselves {
        true => vec![person(id), text(own)],
        false => vec![by.clone(), text(others), person(id)],
    };
    match event {
        UserEvent::Registered { profile, email_verified, is_admin, via } => {
            let name = profile.known().map(|profile| profile.display_name.clone());
            let newcomer = Part::Thing { thing: Thing::Person(id), name };
            registered(newcomer, *is_admin, *via, by).with(changes::first_profile(profile.known(), *email_verified))
        }
        UserEvent::ProfileChanged { change, email_verified, was_verified } => {
            let changes = change.known().map(|Change { before, after }| {
                let verification = changes::verification(before, after, *was_verified, *email_verified);
                [changes::profile(before, after), verification].concat()
            });
            Sentence::from(whose(" changed their profile", " changed the profile of "))
                .with(changes.unwrap_or_default())
        }
        UserEvent::EmailVerificationRequested { address, .. } => {
            let mut parts = vec![person(id), text(" asked for a mail to confirm ")];
            parts.push(address.known().map_or_else(|| text("their e-mail address"), strong));
            parts.into()
        }
        UserEvent::TestMailRequested => [person(id), text(" asked for a test mail")].into(),
        UserEvent::EmailVerified => {
            whose(" confirmed their e-mail address", " confirmed the e-mail address of ").into()
        }
        UserEvent::ClaimsSet { claims } => {
            let changes = claims.known().map(|change| changes::claims(&change.before, &change.after));
            Sentence::from(whose(" changed their own claims", " changed the claims of "))
                .with(changes.unwrap_or_default())
        }
        UserEvent::PictureSet { .. } => whose(" changed their picture", " changed the picture of ").into(),
        UserEvent::PictureRemoved => whose(" removed their picture", " removed the picture of ").into(),
        UserEvent::GroupJoined { group_id } => {
            [by, text(" added "), person(id), text(" to "), thing(Thing::Group(*group_id))].into()
        }
        UserEvent::GroupLeft { group_id } => {
            [by, text(" removed "), person(id), text(" from "), thing(Thing::Group(*group_id))].into()
        }
        UserEvent::Disabled => [by, text(" disabled "), person(id)].into(),
        UserEvent::Enabled => [by, text(" enabled "), person(id), text(" again")].into(),
        UserEvent::AdminGranted => [by, text(" made "), person(id), text(" an administrator")].into(),
        UserEvent::AdminRevoked => [by, text(" ended that "), person(id), text(" is an administrator")].into(),
        UserEvent::SignedOutEverywhere { except: Some(_) } if themselves => {
            [person(id), text(" signed out everywhere else")].into()
        }
        UserEvent::SignedOutEverywhere { .. } if themselves => [person(id), text(" signed out everywhere")].into(),
        UserEvent::SignedOutEverywhere { .. } => [by, text(" signed "), person(id), text(" out everywhere")].into(),
        UserEvent::Erased if themselves => [person(id), text(" erased their own account")].into(),
        UserEvent::Erased => [by, text(" erased a person and all that was personal about them")].into(),
        UserEvent::PasskeyEnrolled { .. }
        | UserEvent::PasskeyRenamed { .. }
        | UserEvent::PasskeySuspended { .. }
        | UserEvent::PasskeyRestored { .. }
        | UserEvent::PasskeyRemoved { .. }
        | UserEvent::SecondPasskeyDeclined { .. } => passkeys(event, id, themselves, by),
    }
}

fn registered(newcomer: Part, is_admin: bool, via: RegisteredVia, by: Part) -> Sentence {
    match (via, is_admin) {
        (RegisteredVia::Setup, _) => [newcomer, text(" set everything up and became the first administrator")].into(),
        (RegisteredVia::StaticApiKey, _) => [text("The configured API key got an account, "), newcomer].into(),
        (RegisteredVia::Admin | RegisteredVia::Api, true) => {
            [by, text(" added "), newcomer, text(" as an administrator")].into()
        }
        (RegisteredVia::Admin | RegisteredVia::Api, false) => [by, text(" added "), newcomer].into(),
    }
}

fn passkeys(event: &UserEvent, id: UserId, themselves: bool, by: Part) -> Sentence {
    match event {
        UserEvent::PasskeyEnrolled { passkey, name, via } => {
            let new = Thing::Passkey(passkey.passkey_id);
            let mut parts = match name.known() {
                Some(name) => vec![person(id), text(" added the passkey "), named(new, name)],
                None => vec![person(id), text(" added "), thing(new)],
            };
            if let EnrolledVia::Enrollment { .. } = via {
                parts.push(text(" through a link"));
            }
            parts.into()
        }
        UserEvent::PasskeyRenamed { passkey_id, name } => {
            let mut parts = vec![if themselves { person(id) } else { by }, text(" renamed ")];
            match name.known() {
                Some(change) => parts.extend([
                    text("the passkey "),
                    strong(&change.before),
                    text(" to "),
                    named(Thing::Passkey(*passkey_id), &change.after),
                ]),
                None => parts.push(passkey(*passkey_id)),
            }
            parts.into()
        }
        UserEvent::PasskeySuspended { passkey_id, stored, presented } => [
            passkey(*passkey_id),
            text(" of "),
            person(id),
            text(format!(" was suspended: its counter fell from {stored} to {presented}, so a copy may exist")),
        ]
        .into(),
        UserEvent::PasskeyRestored { passkey_id, .. } => {
            [by, text(" accepted "), passkey(*passkey_id), text(" of "), person(id), text(" again")].into()
        }
        UserEvent::PasskeyRemoved { passkey_id, by: RemovedBy::Owner } => {
            [person(id), text(" removed "), passkey(*passkey_id)].into()
        }
        UserEvent::PasskeyRemoved { passkey_id, by: RemovedBy::Admin } => {
            [by, text(" removed "), passkey(*passkey_id), text(" of "), person(id)].into()
        }
        UserEvent::PasskeyRemoved { passkey_id, by: RemovedBy::Recovery } => {
            [passkey(*passkey_id), text(" of "), person(id), text(" was removed: a recovery link replaced it")].into()
        }
        UserEvent::SecondPasskeyDeclined { .. } => [person(id), text(" put off adding a second passkey")].into(),
        _ => [by, text(" changed the passkeys of "), person(id)].into(),
    }
}

pub(super) fn enrollment(event: &EnrollmentEvent, whom: &Whom, by: Part) -> Sentence {
    let link = || match whom.user {
        Some(id) => vec![text("The link for "), person(id)],
        None => vec![text("The set-up link")],
    };
    let told = |rest: &str| Sentence::from([link(), vec![text(rest)]].concat());
    match event {
        EnrollmentEvent::Issued { purpose: Purpose::Setup, .. } => [by, text(" made a set-up link")].into(),
        EnrollmentEvent::Issued { purpose: Purpose::Invitation { user_id }, .. } => {
            [by, text(" invited "), person(*user_id)].into()
        }
        EnrollmentEvent::Issued { purpose: Purpose::Recovery { user_id, replace: false }, .. } => {
            [by, text(" made a recovery link for "), person(*user_id)].into()
        }
        EnrollmentEvent::Issued { purpose: Purpose::Recovery { user_id, replace: true }, .. } => {
            [by, text(" made a recovery link for "), person(*user_id), text(" that replaces all their passkeys")].into()
        }
        EnrollmentEvent::Opened { .. } => told(" was opened"),
        EnrollmentEvent::Redeemed { user_id, passkey_id, .. } => {
            [person(*user_id), text(" used their link to add "), passkey(*passkey_id)].into()
        }
        EnrollmentEvent::Revoked { why: RevokedWhy::Superseded } => told(" gave way to a newer one"),
        EnrollmentEvent::Revoked { why: RevokedWhy::SetupCompleted } => told(" was closed: everything is set up"),
        EnrollmentEvent::Revoked { why: RevokedWhy::ByAdmin } => match whom.user {
            Some(id) => [by, text(" withdrew the link for "), person(id)].into(),
            None => [by, text(" withdrew the set-up link")].into(),
        },
    }
}

pub(super) fn api_key(event: &ApiKeyEvent, stream: &str, by: Part) -> Sentence {
    let key = match stream.parse() {
        Ok(id) => thing(Thing::ApiKey(id)),
        Err(_) => strong(stream),
    };
    match event {
        ApiKeyEvent::Created { name, expires_at, .. } => {
            let key = stream.parse().map_or(strong(name), |id| named(Thing::ApiKey(id), name));
            [by, text(" made "), key, text(format!(", which ends on {}", day(*expires_at)))].into()
        }
        ApiKeyEvent::Renewed { expires_at, .. } => {
            [by, text(" renewed "), key, text(format!(" until {}", day(*expires_at)))].into()
        }
        ApiKeyEvent::Revoked => [by, text(" revoked "), key].into(),
    }
}
