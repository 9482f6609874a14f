use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::digest::Digest;
use crate::ids::PasskeyId;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
const HOUR: i64 = 3600;

fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

fn proof() -> PasskeyProof {
    PasskeyProof {
        passkey_id: PasskeyId(Uuid::from_u128(2)),
        counter: 7,
        backed_up: false,
        attachment: None,
        acr: "phr".into(),
        amr: vec!["pop".into(), "user".into(), "mfa".into()],
    }
}

fn start() -> SessionCommand {
    SessionCommand::Start {
        user_id: ada(),
        secret: Digest::of("first"),
        proof: proof(),
        now: NOON,
        idle_seconds: HOUR,
        lifetime_seconds: 24 * HOUR,
    }
}

fn started() -> SessionEvent {
    SessionEvent::Started {
        user_id: ada(),
        secret: Digest::of("first"),
        proof: proof(),
        authenticated_at: NOON,
        idle_seconds: HOUR,
        expires_at: NOON + Duration::days(1),
    }
}

fn ended() -> SessionEvent {
    SessionEvent::Ended { why: SessionEnd::SignedOut }
}

fn decide(given: Vec<SessionEvent>, when: SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
    Session::after(given).decide(when)
}

#[test]
fn a_sign_in_is_one_event() {
    assert_eq!(decide(vec![], start()), Ok(vec![started()]));
}

#[test]
fn a_session_starts_once() {
    assert_eq!(decide(vec![started()], start()), Err(SessionRefusal::AlreadyStarted));
    assert_eq!(decide(vec![started(), ended()], start()), Err(SessionRefusal::AlreadyStarted));
}

#[test]
fn a_step_up_changes_the_secret_and_the_time_of_authentication() {
    let now = NOON + Duration::minutes(5);
    let step_up = SessionCommand::StepUp { user_id: ada(), secret: Digest::of("second"), proof: proof(), now };

    let stepped_up = SessionEvent::SteppedUp { secret: Digest::of("second"), proof: proof(), authenticated_at: now };
    assert_eq!(decide(vec![started()], step_up), Ok(vec![stepped_up]));
}

#[test]
fn another_persons_passkey_does_not_step_up() {
    let grace = UserId(Uuid::from_u128(9));
    let step_up = SessionCommand::StepUp { user_id: grace, secret: Digest::of("x"), proof: proof(), now: NOON };

    assert_eq!(decide(vec![started()], step_up), Err(SessionRefusal::OtherPerson));
}

#[test]
fn use_is_recorded_once_in_a_twelfth_of_the_idle_time() {
    let soon = NOON + Duration::minutes(4);
    let later = NOON + Duration::minutes(5);

    assert_eq!(decide(vec![started()], SessionCommand::Touch { now: soon }), Ok(vec![]));
    assert_eq!(
        decide(vec![started()], SessionCommand::Touch { now: later }),
        Ok(vec![SessionEvent::Extended { used_at: later }])
    );
}

#[test]
fn an_idle_session_expires_and_use_keeps_it_alive() {
    let touch = |minutes| SessionCommand::Touch { now: NOON + Duration::minutes(minutes) };
    let extended = SessionEvent::Extended { used_at: NOON + Duration::minutes(30) };

    assert_eq!(decide(vec![started()], touch(60)), Err(SessionRefusal::Expired));
    assert!(decide(vec![started(), extended.clone()], touch(60)).is_ok());
    assert_eq!(decide(vec![started(), extended], touch(90)), Err(SessionRefusal::Expired));
}

#[test]
fn no_use_outlasts_the_absolute_end() {
    let last_use = SessionEvent::Extended { used_at: NOON + Duration::days(1) - Duration::minutes(1) };
    let touch = SessionCommand::Touch { now: NOON + Duration::days(1) };

    assert_eq!(decide(vec![started(), last_use], touch), Err(SessionRefusal::Expired));
}

#[test]
fn ending_is_recorded_once() {
    let end = SessionCommand::End { why: SessionEnd::SignedOut };

    assert_eq!(decide(vec![], end.clone()), Err(SessionRefusal::NotStarted));
    assert_eq!(decide(vec![started()], end.clone()), Ok(vec![ended()]));
    assert_eq!(decide(vec![started(), ended()], end), Ok(vec![]));
}

#[test]
fn an_ended_session_is_not_used_again() {
    let touch = SessionCommand::Touch { now: NOON };
    let step_up = SessionCommand::StepUp { user_id: ada(), secret: Digest::of("x"), proof: proof(), now: NOON };

    assert_eq!(decide(vec![], touch.clone()), Err(SessionRefusal::NotStarted));
    assert_eq!(decide(vec![started(), ended()], touch), Err(SessionRefusal::Ended));
    assert_eq!(decide(vec![started(), ended()], step_up), Err(SessionRefusal::Ended));
}

#[test]
fn each_event_is_stored_under_its_stable_name() {
    let stepped_up = SessionEvent::SteppedUp { secret: Digest::of("second"), proof: proof(), authenticated_at: NOON };
    let extended = SessionEvent::Extended { used_at: NOON };

    crate::event::assert_stored_form(
        &[started(), stepped_up, extended, ended()],
        serde_json::json!([
            {"session.started": {
                "user_id": "00000000-0000-0000-0000-000000000001",
                "secret": "p5N7ZLjKpY8Dchu2us9ceMsjX-vg5wsbhM2ZVBRhoI4",
                "proof": {
                    "passkey_id": "00000000-0000-0000-0000-000000000002", "counter": 7, "backed_up": false,
                    "attachment": null, "acr": "phr", "amr": ["pop", "user", "mfa"]
                },
                "authenticated_at": "2026-11-23T12:00:00Z",
                "idle_seconds": 3600,
                "expires_at": "2026-11-24T12:00:00Z"
            }},
            {"session.stepped_up": {
                "secret": "FjZ6rLZ6SgF8jairlWgsyzkIY3gPcRTdoKDgxVZEx8Q",
                "proof": {
                    "passkey_id": "00000000-0000-0000-0000-000000000002", "counter": 7, "backed_up": false,
                    "attachment": null, "acr": "phr", "amr": ["pop", "user", "mfa"]
                },
                "authenticated_at": "2026-11-23T12:00:00Z"
            }},
            {"session.extended": {"used_at": "2026-11-23T12:00:00Z"}},
            {"session.ended": {"why": "signed_out"}}
        ]),
    );
}

#[test]
fn each_reason_for_an_end_is_stored_under_its_stable_name() {
    use SessionEnd::{EndedByAdmin, EndedByOwner, LogoutRequested, Replaced, SignedOut};

    let stored = serde_json::to_value([SignedOut, LogoutRequested, EndedByOwner, EndedByAdmin, Replaced]).unwrap();
    let names = ["signed_out", "logout_requested", "ended_by_owner", "ended_by_admin", "replaced"];
    assert_eq!(stored, serde_json::json!(names));
}
