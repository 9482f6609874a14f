use serde_json::json;
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::event::assert_stored_form;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn failed(reason: FailureReason) -> Failed {
    Failed {
        reason,
        user_id: Some(UserId(Uuid::from_u128(1))),
        passkey_id: Some(PasskeyId(Uuid::from_u128(2))),
        credential_id: None,
        count: 3,
        first_at: NOON,
        last_at: NOON + Duration::SECOND,
    }
}

#[test]
fn a_refused_sign_in_is_recorded_once() {
    let failed = failed(FailureReason::BadSignature);
    let event = SignInAttemptEvent::Failed(failed.clone());
    let record = SignInAttemptCommand::Record(failed);
    assert_eq!(SignInAttempt::default().decide(record.clone()), Ok(vec![event.clone()]));
    assert_eq!(SignInAttempt::after([event]).decide(record), Err(SignInAttemptRefusal::AlreadyRecorded));
}

#[test]
fn rl06_a_flood_is_one_event_a_second() {
    let mut window = FailureWindow::open(NOON);
    let mut recorded = Vec::new();
    // A thousand failures in ten seconds.
    for n in 1..=1_000 {
        let now = NOON + Duration::milliseconds(10 * n);
        if let WindowDecision::Record { count, first_at } = window.another(now) {
            recorded.push((count, first_at));
        }
    }
    let counts: Vec<_> = recorded.iter().map(|(count, _)| *count).collect();
    assert_eq!(counts, [100; 10]);
    assert_eq!(recorded[0].1, NOON + Duration::milliseconds(10));
}

#[test]
fn what_waits_is_recorded_when_its_second_is_over() {
    let mut window = FailureWindow::open(NOON);
    let second = NOON + Duration::milliseconds(400);
    assert_eq!(window.another(second), WindowDecision::Count);
    assert_eq!(window.flush(NOON + Duration::milliseconds(999)), None);
    let due = WindowDecision::Record { count: 1, first_at: second };
    assert_eq!(window.flush(NOON + Duration::SECOND), Some(due));
    assert_eq!(window.flush(NOON + Duration::seconds(9)), None);
}

#[test]
fn a_quiet_window_is_forgotten() {
    let mut window = FailureWindow::open(NOON);
    assert!(!window.is_over(NOON + Duration::milliseconds(999)));
    assert!(window.is_over(NOON + Duration::SECOND));
    window.another(NOON + Duration::milliseconds(1));
    assert!(!window.is_over(NOON + Duration::SECOND), "something waits");
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_off_the_record() {
    let mut window = FailureWindow::open(NOON);
    window.another(NOON + Duration::milliseconds(1));
    let earlier = NOON - Duration::HOUR;
    assert_eq!(
        window.flush(earlier),
        Some(WindowDecision::Record { count: 1, first_at: NOON + Duration::milliseconds(1) })
    );
    assert!(window.is_over(earlier + Duration::SECOND));
}

#[test]
fn stored_form() {
    let reasons = [
        (FailureReason::UnknownPasskey, "unknown_passkey"),
        (FailureReason::BadSignature, "bad_signature"),
        (FailureReason::ChallengeExpiredOrReused, "challenge_expired_or_reused"),
        (FailureReason::UserDisabled, "user_disabled"),
        (FailureReason::PasskeySuspended, "passkey_suspended"),
        (FailureReason::CloneSuspected, "clone_suspected"),
        (FailureReason::UserVerificationMissing, "user_verification_missing"),
        (FailureReason::OriginMismatch, "origin_mismatch"),
        (FailureReason::Malformed, "malformed"),
    ];
    for (reason, stored) in reasons {
        assert_stored_form(
            &[SignInAttemptEvent::Failed(failed(reason))],
            json!([{ "sign_in_attempt.failed": {
                "reason": stored, "user_id": "00000000-0000-0000-0000-000000000001",
                "passkey_id": "00000000-0000-0000-0000-000000000002", "credential_id": null, "count": 3,
                "first_at": "2026-11-23T12:00:00Z", "last_at": "2026-11-23T12:00:01Z"
            } }]),
        );
    }
}
