use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::event::assert_stored_form;
use crate::ids::{EnrollmentId, PasskeyId};

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

fn passkey() -> PasskeyId {
    PasskeyId(Uuid::from_u128(2))
}

fn secret() -> Digest {
    Digest::of("the secret")
}

fn invitation() -> Purpose {
    Purpose::Invitation { user_id: ada() }
}

fn issue(lifetime: Duration) -> EnrollmentCommand {
    EnrollmentCommand::Issue { purpose: invitation(), secret: secret(), now: NOON, lifetime }
}

fn issued(purpose: Purpose) -> EnrollmentEvent {
    EnrollmentEvent::Issued { purpose, secret: secret(), issued_at: NOON, expires_at: NOON + Duration::HOUR }
}

fn open(secret: Digest, now: OffsetDateTime) -> EnrollmentCommand {
    EnrollmentCommand::Open { secret, now }
}

fn redeem(user_id: UserId, now: OffsetDateTime) -> EnrollmentCommand {
    EnrollmentCommand::Redeem { secret: secret(), user_id, passkey_id: passkey(), now }
}

fn redeemed(user_id: UserId) -> EnrollmentEvent {
    EnrollmentEvent::Redeemed { user_id, passkey_id: passkey(), at: NOON }
}

fn revoke() -> EnrollmentCommand {
    EnrollmentCommand::Revoke { why: RevokedWhy::ByAdmin }
}

fn revoked() -> EnrollmentEvent {
    EnrollmentEvent::Revoked { why: RevokedWhy::ByAdmin }
}

#[track_caller]
fn given_when_then(
    given: &[EnrollmentEvent],
    when: EnrollmentCommand,
    then: Result<Vec<EnrollmentEvent>, EnrollmentRefusal>,
) {
    assert_eq!(Enrollment::after(given.to_vec()).decide(when), then);
}

#[test]
fn a_link_is_issued_once() {
    given_when_then(&[], issue(Duration::HOUR), Ok(vec![issued(invitation())]));
    given_when_then(&[issued(invitation())], issue(Duration::HOUR), Err(EnrollmentRefusal::AlreadyIssued));
}

#[test]
fn a_link_lives_from_one_second_to_31_days() {
    for (lifetime, sound) in [
        (Duration::ZERO, false),
        (Duration::SECOND, true),
        (Duration::days(31), true),
        (Duration::days(31) + Duration::SECOND, false),
    ] {
        let decided = Enrollment::default().decide(issue(lifetime));
        assert_eq!(decided.err(), (!sound).then_some(EnrollmentRefusal::BadLifetime), "{lifetime}");
    }
}

#[test]
fn opening_is_recorded_once_and_uses_nothing_up() {
    let opened = EnrollmentEvent::Opened { at: NOON };
    given_when_then(&[issued(invitation())], open(secret(), NOON), Ok(vec![opened.clone()]));
    given_when_then(&[issued(invitation()), opened.clone()], open(secret(), NOON), Ok(vec![]));
    given_when_then(&[issued(invitation()), opened], redeem(ada(), NOON), Ok(vec![redeemed(ada())]));
}

#[test]
fn a_link_is_redeemed_once() {
    given_when_then(&[issued(invitation())], redeem(ada(), NOON), Ok(vec![redeemed(ada())]));
    let again = Err(EnrollmentRefusal::AlreadyRedeemed);
    given_when_then(&[issued(invitation()), redeemed(ada())], redeem(ada(), NOON), again);
}

#[test]
fn a_link_works_until_the_second_it_expires() {
    let last = NOON + Duration::HOUR - Duration::SECOND;
    let expired = NOON + Duration::HOUR;
    assert!(Enrollment::after([issued(invitation())]).decide(redeem(ada(), last)).is_ok());
    given_when_then(&[issued(invitation())], redeem(ada(), expired), Err(EnrollmentRefusal::Expired));
    given_when_then(&[issued(invitation())], open(secret(), expired), Err(EnrollmentRefusal::Expired));
}

#[test]
fn to_somebody_without_the_secret_there_is_no_link() {
    let wrong = open(Digest::of("another"), NOON);
    given_when_then(&[issued(invitation())], wrong.clone(), Err(EnrollmentRefusal::Unknown));
    given_when_then(&[], wrong, Err(EnrollmentRefusal::Unknown));
}

#[test]
fn a_link_is_for_its_person_alone() {
    let grace = UserId(Uuid::from_u128(9));
    let recovery = Purpose::Recovery { user_id: ada(), replace: true };
    for purpose in [invitation(), recovery] {
        given_when_then(&[issued(purpose)], redeem(grace, NOON), Err(EnrollmentRefusal::OtherPerson));
    }
    given_when_then(&[issued(Purpose::Setup)], redeem(grace, NOON), Ok(vec![redeemed(grace)]));
}

#[test]
fn a_revoked_link_does_not_work() {
    given_when_then(&[issued(invitation())], revoke(), Ok(vec![revoked()]));
    given_when_then(&[issued(invitation()), revoked()], redeem(ada(), NOON), Err(EnrollmentRefusal::Revoked));
    given_when_then(&[issued(invitation()), revoked()], open(secret(), NOON), Err(EnrollmentRefusal::Revoked));
}

#[test]
fn what_is_over_need_not_be_revoked() {
    given_when_then(&[issued(invitation()), redeemed(ada())], revoke(), Ok(vec![]));
    given_when_then(&[issued(invitation()), revoked()], revoke(), Ok(vec![]));
    given_when_then(&[], revoke(), Err(EnrollmentRefusal::Unknown));
}

#[test]
fn a_code_is_read_in_its_one_spelling() {
    let id = EnrollmentId(Uuid::from_u128(7));
    let code = link::encode(id, &[5; 32]);
    assert_eq!(link::decode(&code), Some((id, Digest::of([5; 32]))));
    let last = code.len() - 1;
    for wrong in
        [String::new(), format!("{code}="), format!("{code}A"), code[..last].to_owned(), code.replace('F', "+")]
    {
        assert_eq!(link::decode(&wrong), None, "{wrong}");
    }
}

#[test]
fn stored_form() {
    let digest = "NoppPXhMfRlX7HSBSKXeHh8ul_H2NgxpsM_PZHG7vwc";
    let id = "00000000-0000-0000-0000-000000000001";
    let (at, expires_at) = ("2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z");
    let stored = |purpose| {
        json!({ "enrollment.issued": {
            "purpose": purpose, "secret": digest, "issued_at": at, "expires_at": expires_at
        } })
    };
    assert_stored_form(
        &[
            issued(Purpose::Setup),
            issued(invitation()),
            issued(Purpose::Recovery { user_id: ada(), replace: true }),
            EnrollmentEvent::Opened { at: NOON },
            redeemed(ada()),
            revoked(),
            EnrollmentEvent::Revoked { why: RevokedWhy::Superseded },
            EnrollmentEvent::Revoked { why: RevokedWhy::SetupCompleted },
        ],
        json!([
            stored(json!({ "kind": "setup" })),
            stored(json!({ "kind": "invitation", "user_id": id })),
            stored(json!({ "kind": "recovery", "user_id": id, "replace": true })),
            { "enrollment.opened": { "at": at } },
            { "enrollment.redeemed": {
                "user_id": id, "passkey_id": "00000000-0000-0000-0000-000000000002", "at": at
            } },
            { "enrollment.revoked": { "why": "by_admin" } },
            { "enrollment.revoked": { "why": "superseded" } },
            { "enrollment.revoked": { "why": "setup_completed" } },
        ]),
    );
}
