//! Sentences about sessions, and about sign-ins that were refused.

use chancery_domain::actor::Actor;
use chancery_domain::session::{SessionEnd, SessionEvent};
use chancery_domain::sign_in_attempt::{Failed, FailureReason, SignInAttemptEvent};

use super::sentence::{Part, Sentence, passkey, person, text};
use super::whom::Whom;

pub(super) fn session(event: &SessionEvent, whom: &Whom, actor: &Actor, by: Part) -> Sentence {
    let who = whom.user.map_or(text("Somebody"), person);
    match event {
        SessionEvent::Started { proof, .. } => [who, text(" signed in with "), passkey(proof.passkey_id)].into(),
        SessionEvent::SteppedUp { proof, .. } => {
            [who, text(" confirmed with "), passkey(proof.passkey_id), text(" that it is them")].into()
        }
        SessionEvent::Extended { .. } => [who, text(" stayed signed in")].into(),
        SessionEvent::Ended { why: SessionEnd::SignedOut } => [who, text(" signed out")].into(),
        SessionEvent::Ended { why: SessionEnd::LogoutRequested } => {
            [who, text(" signed out from within an app")].into()
        }
        SessionEvent::Ended { why: SessionEnd::EndedByOwner } => [who, text(" signed out another device")].into(),
        SessionEvent::Ended { why: SessionEnd::EndedByAdmin } => {
            [by, text(" signed "), lower(who), text(" out on one device")].into()
        }
        SessionEvent::Ended { why: SessionEnd::Replaced } if actor.user() == whom.user => {
            [who, text(" was signed out by signing in anew with the same browser")].into()
        }
        SessionEvent::Ended { why: SessionEnd::Replaced } => {
            [who, text(" was signed out: "), by, text(" signed in with the same browser")].into()
        }
    }
}

fn lower(who: Part) -> Part {
    match who {
        Part::Text(_) => text("somebody"),
        known => known,
    }
}

pub(super) fn attempt(event: &SignInAttemptEvent) -> Sentence {
    let SignInAttemptEvent::Failed(Failed { reason, user_id, passkey_id, count, .. }) = event;
    let mut parts = vec![text("A sign-in ")];
    if let Some(id) = user_id {
        parts.extend([text("as "), person(*id), text(" ")]);
    }
    if let Some(id) = passkey_id {
        parts.extend([text("with "), passkey(*id), text(" ")]);
    }
    let times = if *count > 1 { format!("{count} times") } else { String::new() };
    let refused = format!("was refused {times}").trim_end().to_owned();
    parts.push(text(format!("{refused}: {}", why(*reason))));
    parts.into()
}

fn why(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::UnknownPasskey => "nobody here has this passkey",
        FailureReason::BadSignature => "the passkey’s signature was wrong",
        FailureReason::ChallengeExpiredOrReused => "it came too late or came twice",
        FailureReason::UserDisabled => "the account is disabled",
        FailureReason::PasskeySuspended => "the passkey is suspended",
        FailureReason::CloneSuspected => "a copy of the passkey may exist",
        FailureReason::UserVerificationMissing => "the device did not check who holds it",
        FailureReason::OriginMismatch => "it came from another site",
        FailureReason::Malformed => "what the browser sent could not be read",
    }
}
