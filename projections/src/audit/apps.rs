//! Sentences about apps, what people allow them, their tokens, groups and the keys that sign.

use chancery_domain::actor::Actor;
use chancery_domain::client::ClientEvent;
use chancery_domain::consent::ConsentEvent;
use chancery_domain::encryption_key::EncryptionKeyEvent;
use chancery_domain::grant::{GrantEvent, RevokedWhy};
use chancery_domain::group::GroupEvent;
use chancery_domain::signing_key::SigningKeyEvent;

use super::changes;
use super::sentence::{Part, Sentence, Thing, app, day, named, person, strong, text, thing};
use super::whom::Whom;

pub(super) fn client(event: &ClientEvent, whom: &Whom, by: Part) -> Sentence {
    let Some(id) = &whom.client else { return Sentence::from([by, text(" changed an app")]) };
    let called = |name: &str| named(Thing::App(id.clone()), name);
    match event {
        ClientEvent::Registered { settings } => Sentence::from([by, text(" added the app "), called(&settings.name)])
            .with(changes::first_settings(settings)),
        ClientEvent::Changed { before, after } => {
            Sentence::from([by, text(" changed "), called(&after.name)]).with(changes::settings(before, after))
        }
        ClientEvent::SecretAdded { prefix, expires_at, .. } => {
            let mut parts = vec![by, text(" made a secret for "), app(id), text(", beginning with "), strong(prefix)];
            parts.extend(expires_at.map(|at| text(format!(", which ends on {}", day(at)))));
            parts.into()
        }
        ClientEvent::SecretRemoved { prefix: Some(prefix), .. } => {
            [by, text(" removed the secret of "), app(id), text(" beginning with "), strong(prefix)].into()
        }
        ClientEvent::SecretRemoved { prefix: None, .. } => [by, text(" removed a secret of "), app(id)].into(),
        ClientEvent::AccessRestricted { before, after } => {
            // Whether the app is only for chosen groups is a setting of its own, of which this says nothing.
            let chose = if after.is_empty() { " removed the chosen groups of " } else { " chose the groups for " };
            let mut parts = vec![by, text(chose), app(id)];
            if !after.is_empty() {
                parts.push(text(": "));
                parts.extend(changes::groups(after));
            }
            Sentence::from(parts).with(changes::chosen_groups(before, after))
        }
        ClientEvent::Disabled => [by, text(" disabled "), app(id)].into(),
        ClientEvent::Enabled => [by, text(" enabled "), app(id), text(" again")].into(),
        ClientEvent::Deleted => [by, text(" deleted "), app(id)].into(),
    }
}

pub(super) fn consent(event: &ConsentEvent, whom: &Whom, actor: &Actor, by: Part) -> Sentence {
    let (ConsentEvent::Given { user_id, client_id, .. }
    | ConsentEvent::Widened { user_id, client_id, .. }
    | ConsentEvent::Withdrawn { user_id, client_id }) = event;
    let themselves = actor.user() == whom.user;
    let (person, app) = (person(*user_id), app(client_id));
    match event {
        ConsentEvent::Given { scopes, .. } => {
            [person, text(" allowed "), app, text(" to see "), text(changes::allowed(scopes))].into()
        }
        ConsentEvent::Widened { before, scopes, .. } => {
            Sentence::from([person, text(" allowed "), app, text(" to see more")]).with(changes::one(
                "What the app may see",
                &changes::allowed(before),
                &changes::allowed(scopes),
            ))
        }
        ConsentEvent::Withdrawn { .. } if themselves => {
            [person, text(" took back what "), app, text(" was allowed")].into()
        }
        ConsentEvent::Withdrawn { .. } => [by, text(" took back what "), person, text(" had allowed "), app].into(),
    }
}

pub(super) fn grant(event: &GrantEvent, whom: &Whom) -> Sentence {
    let app = whom.client.as_ref().map_or(text("An app"), app);
    let person = whom.user.map_or(text("itself"), person);
    let told = |middle: &str, end: &str| Sentence::from([app.clone(), text(middle), person.clone(), text(end)]);
    match event {
        GrantEvent::Authorized(_) => Sentence::from([person, text(" signed in to "), app]),
        GrantEvent::TokensIssued { .. } => told(" received tokens for ", ""),
        GrantEvent::ClientTokensIssued { .. } => told(" received tokens for ", ""),
        GrantEvent::Refreshed { repeated: false, .. } => told(" renewed its tokens for ", ""),
        GrantEvent::Refreshed { repeated: true, .. } => told(" renewed its tokens for ", " a second time"),
        GrantEvent::PkceFailed => told(" was refused tokens for ", ": it could not prove that it had asked for them"),
        GrantEvent::CodeReplayed => told(" was refused tokens for ", ": the code had been used before"),
        GrantEvent::RefreshReuseDetected { .. } => {
            told(" was refused new tokens for ", ": it presented a token that had been replaced")
        }
        GrantEvent::TokenRevoked { .. } => told(" gave back a token for ", ""),
        GrantEvent::Revoked { why: RevokedWhy::ByClient } => told(" gave back its tokens for ", ""),
        GrantEvent::Revoked { why: RevokedWhy::CodeReplayed } => {
            told(" lost its tokens for ", ": its code came a second time, so somebody may have copied it")
        }
        GrantEvent::Revoked { why: RevokedWhy::RefreshReused } => {
            told(" lost its tokens for ", ": a replaced token came again, so somebody may have copied it")
        }
    }
}

pub(super) fn group(event: &GroupEvent, stream: &str, by: Part) -> Sentence {
    let called = |name: &str| stream.parse().map_or(strong(name), |id| named(Thing::Group(id), name));
    let group = stream.parse().map_or(strong(stream), |id| thing(Thing::Group(id)));
    match event {
        GroupEvent::Created { names } => Sentence::from([by, text(" made the group "), called(&names.friendly_name)])
            .with(changes::one("Name for apps", "", &names.name)),
        GroupEvent::Changed { before, after } => {
            Sentence::from([by, text(" changed the group "), called(&after.friendly_name)])
                .with(changes::group_names(before, after))
        }
        GroupEvent::ClaimsSet { before, after } => {
            Sentence::from([by, text(" changed the claims of "), group]).with(changes::claims(before, after))
        }
        GroupEvent::Deleted => [by, text(" deleted "), group].into(),
    }
}

pub(super) fn signing_key(event: &SigningKeyEvent, kid: &str, actor: &Actor, by: Part) -> Sentence {
    let key = strong(kid);
    match event {
        // By itself a key goes when all that it signed has ended long since.
        SigningKeyEvent::Removed { .. } if *actor == Actor::Operator => {
            [by, text(" withdrew the signing key "), key, text("; nothing that it signed counts any more")].into()
        }
        SigningKeyEvent::Staged { algorithm, .. } => {
            [text("The signing key "), key, text(format!(" was published for {algorithm}, to sign later"))].into()
        }
        SigningKeyEvent::Activated { .. } => [text("The signing key "), key, text(" began to sign")].into(),
        SigningKeyEvent::Retired { .. } => {
            [text("The signing key "), key, text(" stopped signing; what it signed still counts")].into()
        }
        SigningKeyEvent::Removed { .. } => [text("The signing key "), key, text(" was removed")].into(),
    }
}

pub(super) fn encryption_key(event: &EncryptionKeyEvent, key: &str, by: Part) -> Sentence {
    let key = strong(key);
    match event {
        EncryptionKeyEvent::RotationStarted { replaces } => {
            [by, text(" put the encryption key "), key, text(" in the place of "), strong(replaces)].into()
        }
        EncryptionKeyEvent::RotationFinished { replaces, sealed } => [
            text("Everything is sealed under the encryption key "),
            key,
            text(format!(" ({sealed} keys); ")),
            strong(replaces),
            text(" is needed no more"),
        ]
        .into(),
    }
}
