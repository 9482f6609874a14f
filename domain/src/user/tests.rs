use serde_json::json;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::claim::{Claim, ClaimChange, ClaimKind};
use crate::custom_claim::ClaimsRefusal;
use crate::event::assert_stored_form;
use crate::ids::{EmailVerificationId, EnrollmentId, PasskeyId, SessionId, UserId};

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

fn profile(username: &str, email: Option<&str>) -> Profile {
    Profile::parse(ProfileInput {
        username: username.into(),
        email: email.map(str::to_owned),
        first_name: "Ada".into(),
        last_name: "Lindqvist".into(),
        ..ProfileInput::default()
    })
    .unwrap()
}

fn register(email_verified: bool, is_admin: bool) -> UserCommand {
    let profile = profile("ada", Some("ada@example.org"));
    UserCommand::Register { user_id: ada(), profile, email_verified, is_admin, via: RegisteredVia::Admin }
}

fn registered(is_admin: bool) -> UserEvent {
    let profile = Personal::of(ada(), profile("ada", Some("ada@example.org")));
    UserEvent::Registered { profile, email_verified: false, is_admin, via: RegisteredVia::Admin }
}

fn passkey_id(n: u128) -> PasskeyId {
    PasskeyId(Uuid::from_u128(100 + n))
}

fn group(n: u128) -> GroupId {
    GroupId(Uuid::from_u128(200 + n))
}

fn passkey(n: u128) -> Passkey {
    Passkey {
        passkey_id: passkey_id(n),
        credential_id: format!("credential-{n}"),
        user_handle: "AAAAAAAAAAAAAAAAAAAAAQ".into(),
        authenticator_data: "SZYN5Q".into(),
        attestation_format: "none".into(),
        transports: vec!["internal".into()],
        attachment: Some("platform".into()),
        discoverable: Some(true),
        aaguid: Uuid::nil(),
        counter: 0,
        backup_eligible: true,
        backed_up: true,
        enrolled_at: NOON,
    }
}

fn enrolled(n: u128) -> UserEvent {
    let name = Personal::of(ada(), format!("Key {n}"));
    UserEvent::PasskeyEnrolled { passkey: passkey(n), name, via: EnrolledVia::SelfService }
}

fn enroll(n: u128, name: &str) -> UserCommand {
    UserCommand::EnrollPasskey { passkey: passkey(n), name: name.into(), via: EnrolledVia::SelfService }
}

fn suspended(n: u128) -> UserEvent {
    UserEvent::PasskeySuspended { passkey_id: passkey_id(n), stored: 7, presented: 3 }
}

fn claim(key: &str, value: &str) -> CustomClaim {
    CustomClaim { key: key.into(), value: value.into() }
}

#[track_caller]
fn given_when_then(given: &[UserEvent], when: UserCommand, then: Result<Vec<UserEvent>, UserRefusal>) {
    assert_eq!(User::after(given.to_vec()).decide(when), then);
}

#[test]
fn a_person_is_registered_once() {
    given_when_then(&[], register(false, true), Ok(vec![registered(true)]));
    given_when_then(&[registered(false)], register(false, false), Err(UserRefusal::AlreadyRegistered));
    given_when_then(
        &[registered(false), UserEvent::Erased],
        register(false, false),
        Err(UserRefusal::AlreadyRegistered),
    );
}

#[test]
fn an_address_that_is_not_there_is_not_verified() {
    let without = profile("ada", None);
    let when = UserCommand::Register {
        user_id: ada(),
        profile: without.clone(),
        email_verified: true,
        is_admin: false,
        via: RegisteredVia::Api,
    };
    let profile = Personal::of(ada(), without);
    let then = UserEvent::Registered { profile, email_verified: false, is_admin: false, via: RegisteredVia::Api };
    given_when_then(&[], when, Ok(vec![then]));
}

#[test]
fn nothing_is_asked_of_somebody_who_is_not_there() {
    for given in [vec![], vec![registered(false), UserEvent::Erased]] {
        for when in [
            UserCommand::ChangeProfile { profile: profile("ada", None), email_verified: false },
            enroll(1, "Key"),
            UserCommand::Enable,
            UserCommand::SignOutEverywhere { except: None },
            UserCommand::Erase { other_admins: true },
        ] {
            given_when_then(&given, when, Err(UserRefusal::NotRegistered));
        }
    }
}

/// Of somebody whose address was not proven.
fn profile_changed(change: Personal<Change<Profile>>, email_verified: bool) -> UserEvent {
    UserEvent::ProfileChanged { change, email_verified, was_verified: Some(false) }
}

#[test]
fn a_changed_profile_says_what_it_was_and_what_it_became() {
    let after = profile("lovelace", Some("ada@example.org"));
    let when = UserCommand::ChangeProfile { profile: after.clone(), email_verified: true };
    let before = profile("ada", Some("ada@example.org"));
    let change = Personal::of(ada(), Change { before, after });
    given_when_then(&[registered(false)], when, Ok(vec![profile_changed(change, true)]));
}

#[test]
fn ad08_who_changes_their_own_profile_proves_no_address_and_unproves_none() {
    for email_verified in [false, true] {
        let given = [registered(false), UserEvent::EmailVerified];
        let given = if email_verified { &given[..] } else { &given[..1] };
        for (email, still_verified) in [("ada@example.org", email_verified), ("new@example.org", false)] {
            let (before, after) = (profile("ada", Some("ada@example.org")), profile("lovelace", Some(email)));
            let when = UserCommand::ChangeOwnProfile { profile: after.clone() };
            let change = Personal::of(ada(), Change { before, after });
            let then = UserEvent::ProfileChanged {
                change,
                email_verified: still_verified,
                was_verified: Some(email_verified),
            };
            given_when_then(given, when, Ok(vec![then]));
        }
    }
}

#[test]
fn a_profile_that_stays_the_same_is_no_event() {
    let same = profile("ada", Some("ada@example.org"));
    let when = UserCommand::ChangeProfile { profile: same, email_verified: false };
    given_when_then(&[registered(false)], when, Ok(vec![]));
}

#[test]
fn ad08_a_proof_counts_for_the_address_it_was_sent_to() {
    let verify = |secret: &str, now| UserCommand::VerifyEmail { secret: Digest::of(secret), now };
    let asked = [registered(false), verification_requested("a")];
    let moved =
        Change { before: profile("ada", Some("ada@example.org")), after: profile("ada", Some("new@example.org")) };
    let moved = profile_changed(Personal::of(ada(), moved), false);
    let renamed =
        Change { before: profile("ada", Some("ada@example.org")), after: profile("a", Some("ada@example.org")) };
    let renamed = profile_changed(Personal::of(ada(), renamed), false);
    let with = |event: &UserEvent| [&asked[..], std::slice::from_ref(event)].concat();
    let invalid = || Err(UserRefusal::NoSuchVerification);

    given_when_then(&asked, verify("a", NOON), Ok(vec![UserEvent::EmailVerified]));
    given_when_then(&asked, verify("b", NOON), invalid());
    given_when_then(&asked, verify("a", NOON + Duration::DAY), invalid());
    given_when_then(&[registered(false)], verify("a", NOON), invalid());
    given_when_then(&with(&moved), verify("a", NOON), invalid());
    given_when_then(&with(&renamed), verify("a", NOON), Ok(vec![UserEvent::EmailVerified]));
    given_when_then(&with(&UserEvent::EmailVerified), verify("a", NOON), invalid());
    given_when_then(&with(&verification_requested("b")), verify("a", NOON), invalid());
}

fn verification_requested(secret: &str) -> UserEvent {
    UserEvent::EmailVerificationRequested {
        verification_id: EmailVerificationId(Uuid::from_u128(7)),
        address: Personal::of(ada(), "ada@example.org".to_owned()),
        secret: Digest::of(secret),
        requested_at: NOON,
        expires_at: NOON + Duration::DAY,
    }
}

#[test]
fn rl08_a_proof_of_an_address_is_asked_for_every_five_minutes_at_most() {
    let ask = |minutes| UserCommand::RequestEmailVerification {
        verification_id: EmailVerificationId(Uuid::from_u128(7)),
        secret: Digest::of("a"),
        now: NOON + Duration::minutes(minutes),
    };
    let asked = [registered(false), verification_requested("a")];

    given_when_then(&[registered(false)], ask(0), Ok(vec![verification_requested("a")]));
    let too_soon = UserRefusal::AskedTooSoon { retry_after: Duration::minutes(1) };
    given_when_then(&asked, ask(4), Err(too_soon));
    assert!(User::after(asked).decide(ask(5)).is_ok_and(|events| events.len() == 1));
    given_when_then(&[registered(false), UserEvent::EmailVerified], ask(0), Ok(vec![]));
}

#[test]
fn without_an_address_there_is_nothing_to_prove_and_nowhere_to_mail() {
    let profile = Personal::of(ada(), profile("ada", None));
    let nowhere = [UserEvent::Registered { profile, email_verified: false, is_admin: true, via: RegisteredVia::Admin }];
    let ask = UserCommand::RequestEmailVerification {
        verification_id: EmailVerificationId(Uuid::from_u128(7)),
        secret: Digest::of("a"),
        now: NOON,
    };

    given_when_then(&nowhere, ask, Err(UserRefusal::NoEmail));
    given_when_then(&nowhere, UserCommand::RequestTestMail, Err(UserRefusal::NoEmail));
    given_when_then(&[registered(true)], UserCommand::RequestTestMail, Ok(vec![UserEvent::TestMailRequested]));
}

#[test]
fn a_passkey_is_enrolled_under_a_trimmed_name() {
    given_when_then(&[registered(false)], enroll(1, "  Key 1 "), Ok(vec![enrolled(1)]));
}

#[test]
fn a_passkey_name_has_1_to_50_characters_that_can_be_shown() {
    let fifty = "x".repeat(50);
    for name in ["x", &fifty] {
        assert!(User::after([registered(false)]).decide(enroll(1, name)).is_ok(), "{name:?}");
    }
    for (name, code) in
        [("", "required"), ("  ", "required"), ("a\nb", "invalid_format"), (&format!("{fifty}x"), "too_long")]
    {
        let decided = User::after([registered(false)]).decide(enroll(1, name));
        assert!(matches!(decided, Err(UserRefusal::BadPasskeyName(error)) if error.code == code), "{name:?}");
    }
}

#[test]
fn a_passkey_is_enrolled_once_and_by_nobody_who_is_disabled() {
    given_when_then(&[registered(false), enrolled(1)], enroll(1, "Again"), Err(UserRefusal::PasskeyAlreadyEnrolled));
    given_when_then(&[registered(false), UserEvent::Disabled], enroll(1, "Key"), Err(UserRefusal::Disabled));
}

#[test]
fn a_person_has_50_passkeys_at_most() {
    let mut given = vec![registered(false)];
    given.extend((0..49).map(enrolled));
    assert!(User::after(given.clone()).decide(enroll(50, "The 50th")).is_ok());
    given.push(enrolled(49));
    given_when_then(&given, enroll(50, "The 51st"), Err(UserRefusal::TooManyPasskeys));
}

#[test]
fn a_passkey_is_renamed() {
    let rename = |n, name: &str| UserCommand::RenamePasskey { passkey_id: passkey_id(n), name: name.into() };
    let given = [registered(false), enrolled(1)];
    let name = Personal::of(ada(), Change { before: "Key 1".to_owned(), after: "Laptop".to_owned() });
    let then = UserEvent::PasskeyRenamed { passkey_id: passkey_id(1), name };
    given_when_then(&given, rename(1, "Laptop"), Ok(vec![then.clone()]));
    given_when_then(&given, rename(1, "Key 1"), Ok(vec![]));
    given_when_then(&[&given[..], &[then]].concat(), rename(1, "Laptop"), Ok(vec![]));
    assert!(matches!(User::after(given.clone()).decide(rename(1, "")), Err(UserRefusal::BadPasskeyName(_))));
    given_when_then(&given, rename(2, "Laptop"), Err(UserRefusal::NoSuchPasskey));
}

#[test]
fn nobody_removes_their_own_last_passkey_that_works() {
    let remove = |by| UserCommand::RemovePasskey { passkey_id: passkey_id(1), by };
    let removed = |by| Ok(vec![UserEvent::PasskeyRemoved { passkey_id: passkey_id(1), by }]);
    let one = [registered(false), enrolled(1)];
    let two = [registered(false), enrolled(1), enrolled(2)];
    let other_suspended = [registered(false), enrolled(1), enrolled(2), suspended(2)];

    given_when_then(&two, remove(RemovedBy::Owner), removed(RemovedBy::Owner));
    given_when_then(&one, remove(RemovedBy::Owner), Err(UserRefusal::LastPasskey));
    given_when_then(&other_suspended, remove(RemovedBy::Owner), Err(UserRefusal::LastPasskey));
    given_when_then(&one, remove(RemovedBy::Admin), removed(RemovedBy::Admin));
    given_when_then(&[registered(false)], remove(RemovedBy::Admin), Err(UserRefusal::NoSuchPasskey));
}

#[test]
fn a_recovery_that_replaces_leaves_one_passkey() {
    let given = [registered(false), enrolled(1), enrolled(2), enrolled(3)];
    let removed = |n| UserEvent::PasskeyRemoved { passkey_id: passkey_id(n), by: RemovedBy::Recovery };
    given_when_then(&given, UserCommand::ReplacePasskeys { keep: passkey_id(2) }, Ok(vec![removed(1), removed(3)]));
}

#[test]
fn a_passkey_that_may_have_been_copied_is_suspended_until_an_administrator_accepts_it() {
    let given = [registered(false), enrolled(1)];
    let suspend = UserCommand::SuspendPasskey { passkey_id: passkey_id(1), stored: 7, presented: 3 };
    let restore = UserCommand::RestorePasskey { passkey_id: passkey_id(1), counter: 3 };
    let restored = UserEvent::PasskeyRestored { passkey_id: passkey_id(1), counter: 3 };
    let down = [registered(false), enrolled(1), suspended(1)];
    let up = [registered(false), enrolled(1), suspended(1), restored.clone()];

    given_when_then(&given, suspend.clone(), Ok(vec![suspended(1)]));
    given_when_then(&down, suspend.clone(), Ok(vec![]));
    given_when_then(&down, restore.clone(), Ok(vec![restored]));
    given_when_then(&up, restore.clone(), Ok(vec![]));
    given_when_then(&[registered(false)], suspend, Err(UserRefusal::NoSuchPasskey));
    given_when_then(&[registered(false)], restore, Err(UserRefusal::NoSuchPasskey));
}

#[test]
fn a_second_passkey_can_be_put_off() {
    let when = UserCommand::DeclineSecondPasskey { now: NOON };
    given_when_then(&[registered(false)], when, Ok(vec![UserEvent::SecondPasskeyDeclined { at: NOON }]));
}

#[test]
fn groups_are_joined_and_left_once() {
    let joined = UserEvent::GroupJoined { group_id: group(1) };
    let left = UserEvent::GroupLeft { group_id: group(1) };
    let join = UserCommand::JoinGroup { group_id: group(1) };
    let leave = UserCommand::LeaveGroup { group_id: group(1) };
    let inside = [registered(false), joined.clone()];
    let outside = [registered(false), joined.clone(), left.clone()];

    given_when_then(&[registered(false)], join.clone(), Ok(vec![joined]));
    given_when_then(&inside, join, Ok(vec![]));
    given_when_then(&inside, leave.clone(), Ok(vec![left]));
    given_when_then(&outside, leave, Ok(vec![]));
}

#[test]
fn set_groups_leaves_and_joins_what_differs() {
    let given = [1, 2].map(|n| UserEvent::GroupJoined { group_id: group(n) });
    let given = [&[registered(false)], &given[..]].concat();
    let when = UserCommand::SetGroups { groups: vec![group(3), group(2), group(3)] };
    let then = vec![UserEvent::GroupLeft { group_id: group(1) }, UserEvent::GroupJoined { group_id: group(3) }];
    given_when_then(&given, when, Ok(then));
}

#[test]
fn claims_are_set_as_a_whole() {
    let team = vec![claim("team", "ops")];
    let change = Personal::of(ada(), Change { before: vec![], after: team.clone() });
    let set = UserEvent::ClaimsSet { claims: change };
    given_when_then(&[registered(false)], UserCommand::SetClaims { claims: team.clone() }, Ok(vec![set.clone()]));
    given_when_then(&[registered(false), set], UserCommand::SetClaims { claims: team }, Ok(vec![]));
    let twice = vec![claim("team", "ops"), claim("team", "dev")];
    let refusal = UserRefusal::Claims(ClaimsRefusal::Duplicate("team".into()));
    given_when_then(&[registered(false)], UserCommand::SetClaims { claims: twice }, Err(refusal));
}

#[test]
fn every_malformed_claim_is_named() {
    let claims = vec![claim("team", "ops"), claim("", "x"), claim("a\nb", ""), claim(&"k".repeat(4_001), "x\0")];
    let refused = User::after([registered(false)]).decide(UserCommand::SetClaims { claims });
    let Err(UserRefusal::Claims(ClaimsRefusal::Malformed(wrong))) = refused else { panic!("{refused:?}") };
    let wrong: Vec<_> = wrong.iter().map(|claim| (claim.index, claim.wrong.field, claim.wrong.code)).collect();
    let expected = [
        (1, "key", "required"),
        (2, "key", "invalid_format"),
        (2, "value", "required"),
        (3, "key", "too_long"),
        (3, "value", "invalid_format"),
    ];
    assert_eq!(wrong, expected);
}

#[test]
fn a_picture_is_set_replaced_and_removed() {
    let (first, second) = (Digest::of("first"), Digest::of("second"));
    let set = |picture| UserEvent::PictureSet { picture };
    let given = [registered(false), set(first)];

    given_when_then(&given[..1], UserCommand::SetPicture { picture: first }, Ok(vec![set(first)]));
    given_when_then(&given, UserCommand::SetPicture { picture: second }, Ok(vec![set(second)]));
    given_when_then(&given, UserCommand::RemovePicture, Ok(vec![UserEvent::PictureRemoved]));
}

#[test]
fn a_picture_that_is_there_already_or_gone_already_is_no_event() {
    let picture = Digest::of("first");
    let given = [registered(false), UserEvent::PictureSet { picture }, UserEvent::PictureRemoved];

    given_when_then(&given[..2], UserCommand::SetPicture { picture }, Ok(vec![]));
    given_when_then(&given, UserCommand::RemovePicture, Ok(vec![]));
    given_when_then(&given[..1], UserCommand::RemovePicture, Ok(vec![]));
}

#[test]
fn a_person_is_disabled_and_enabled_once() {
    let disable = UserCommand::Disable { other_admins: false };
    let down = [registered(false), UserEvent::Disabled];
    given_when_then(&[registered(false)], disable.clone(), Ok(vec![UserEvent::Disabled]));
    given_when_then(&down, disable, Ok(vec![]));
    given_when_then(&down, UserCommand::Enable, Ok(vec![UserEvent::Enabled]));
    given_when_then(&[registered(false)], UserCommand::Enable, Ok(vec![]));
}

#[test]
fn administrators_are_made_and_unmade_once() {
    let revoke = UserCommand::RevokeAdmin { other_admins: true };
    let granted = [registered(false), UserEvent::AdminGranted];
    given_when_then(&[registered(false)], UserCommand::GrantAdmin, Ok(vec![UserEvent::AdminGranted]));
    given_when_then(&granted, UserCommand::GrantAdmin, Ok(vec![]));
    given_when_then(&granted, revoke.clone(), Ok(vec![UserEvent::AdminRevoked]));
    given_when_then(&[registered(false)], revoke, Ok(vec![]));
}

#[test]
fn ad05_somebody_remains_to_administer() {
    for when in [
        UserCommand::Disable { other_admins: false },
        UserCommand::RevokeAdmin { other_admins: false },
        UserCommand::Erase { other_admins: false },
    ] {
        given_when_then(&[registered(true)], when.clone(), Err(UserRefusal::LastAdmin));
        assert!(User::after([registered(true), UserEvent::Disabled]).decide(when).is_ok(), "no administrator is lost");
    }
    let erase = UserCommand::Erase { other_admins: true };
    given_when_then(&[registered(true)], erase, Ok(vec![UserEvent::Erased]));
}

#[test]
fn signing_out_everywhere_may_spare_one_session() {
    let session = Some(SessionId(Uuid::from_u128(9)));
    let when = UserCommand::SignOutEverywhere { except: session };
    given_when_then(&[registered(false)], when, Ok(vec![UserEvent::SignedOutEverywhere { except: session }]));
}

#[test]
fn a_log_without_the_persons_key_is_read_with_gaps() {
    let subject = Subject::user(ada());
    let erased = UserEvent::Registered {
        profile: Personal::Erased { subject: subject.clone() },
        email_verified: false,
        is_admin: false,
        via: RegisteredVia::Admin,
    };
    let User::Registered(account) = User::after([erased]) else { panic!("registered, though nobody knows as whom") };
    assert_eq!((account.subject, account.profile), (subject, None));
}

#[test]
fn names_addresses_and_credentials_are_claimed_and_given_up() {
    let take = |claim| ClaimChange::Take(claim);
    let names = [take(Claim::username("ada")), take(Claim::email("ada@example.org"))];
    assert_eq!(registered(false).claims(), names);

    let setup = match registered(true) {
        UserEvent::Registered { profile, email_verified, is_admin, .. } => {
            UserEvent::Registered { profile, email_verified, is_admin, via: RegisteredVia::Setup }
        }
        other => other,
    };
    assert_eq!(setup.claims(), [&names[..], &[take(Claim::first_admin())]].concat());

    let change = Change { before: profile("ada", Some("ada@example.org")), after: profile("lovelace", None) };
    let changed = profile_changed(Personal::of(ada(), change), false);
    let release = ClaimChange::Release;
    let renamed = [release(ClaimKind::Username), release(ClaimKind::Email), take(Claim::username("lovelace"))];
    assert_eq!(changed.claims(), renamed);

    assert_eq!(enrolled(1).claims(), [take(Claim::credential_id("credential-1"))]);
    let all = [ClaimKind::Username, ClaimKind::Email, ClaimKind::CredentialId].map(release);
    assert_eq!(UserEvent::Erased.claims(), all);
    assert_eq!(UserEvent::Disabled.claims(), []);
}

#[test]
fn a_profile_is_normalized() {
    let input = ProfileInput {
        username: " ada ".into(),
        email: Some("ada@example.org ".into()),
        // e and a combining acute accent: one letter.
        first_name: "Ame\u{301}lie".into(),
        locale: Some(String::new()),
        ..ProfileInput::default()
    };
    let profile = Profile::parse(input).unwrap();
    assert_eq!(profile.username, "ada");
    assert_eq!(profile.email.as_deref(), Some("ada@example.org"));
    assert_eq!(profile.first_name, "Am\u{e9}lie");
    assert_eq!(profile.display_name, "Am\u{e9}lie");
    assert_eq!(profile.locale, None);
}

#[test]
fn whoever_has_no_other_name_is_shown_by_their_username() {
    let input = ProfileInput { username: "ada".into(), ..ProfileInput::default() };
    assert_eq!(Profile::parse(input).unwrap().display_name, "ada");
}

#[test]
fn every_wrong_field_of_a_profile_is_named() {
    let wrong = |input: ProfileInput| {
        let errors = Profile::parse(input).unwrap_err();
        errors.into_iter().map(|error| (error.field, error.code)).collect::<Vec<_>>()
    };
    let named = |username: &str| ProfileInput { username: username.into(), ..ProfileInput::default() };
    assert_eq!(wrong(named("")), [("username", "required")]);
    for username in ["-ada", "ada.", "a da", "ådа", "a\u{202e}da"] {
        assert!(wrong(named(username)).contains(&("username", "invalid_format")), "{username}");
    }
    assert_eq!(wrong(named(&"x".repeat(51))), [("username", "too_long")]);
    let long = "x".repeat(65);
    for email in
        ["", "ada", "ada@", "@example.org", "a@b@c", "ada@example..org", "a b@c", "<a>@c", &format!("{long}@c")]
    {
        let input = ProfileInput { email: Some(email.to_owned()), ..named("ada") };
        assert_eq!(wrong(input), [("email", "invalid_format")], "{email}");
    }
    let speaking = |locale: &str| ProfileInput { locale: Some(locale.into()), ..named("ada") };
    for locale in ["e", "english language", "zz-invalid!!", "-en", "en-", "en--GB", "12", "en/GB"] {
        assert_eq!(wrong(speaking(locale)), [("locale", "invalid_format")], "{locale}");
    }
    for locale in ["en", "pt-BR", "zh-Hant-TW", "en_US", "de-1996"] {
        assert_eq!(Profile::parse(speaking(locale)).unwrap().locale.as_deref(), Some(locale));
    }
    let two = ProfileInput { first_name: "x".repeat(51), last_name: "\u{200b}".into(), ..named("ada") };
    assert_eq!(wrong(two), [("firstName", "too_long"), ("lastName", "invalid_format")]);
}

#[test]
fn stored_form() {
    let subject = "user:00000000-0000-0000-0000-000000000001";
    let ada_stored = json!({
        "username": "ada", "email": "ada@example.org", "first_name": "Ada", "last_name": "Lindqvist",
        "display_name": "Ada Lindqvist", "locale": null
    });
    let profile_change = Change { before: profile("ada", Some("ada@example.org")), after: profile("ada", None) };
    let mut without_email = ada_stored.clone();
    without_email["email"] = json!(null);
    let first = "00000000-0000-0000-0000-000000000065";
    let session = SessionId(Uuid::from_u128(9));
    let enrollment_id = EnrollmentId(Uuid::from_u128(8));
    let by_link = UserEvent::PasskeyEnrolled {
        passkey: passkey(1),
        name: Personal::of(ada(), "Key 1".into()),
        via: EnrolledVia::Enrollment { enrollment_id },
    };
    let stored_passkey = json!({
        "passkey_id": first, "credential_id": "credential-1", "user_handle": "AAAAAAAAAAAAAAAAAAAAAQ",
        "authenticator_data": "SZYN5Q", "attestation_format": "none", "transports": ["internal"],
        "attachment": "platform", "discoverable": true, "aaguid": "00000000-0000-0000-0000-000000000000",
        "counter": 0, "backup_eligible": true, "backed_up": true, "enrolled_at": "2026-11-23T12:00:00Z"
    });
    let named = |value| json!({ "$personal": { "subject": subject, "value": value } });
    let rename = Change { before: "Key 1".to_owned(), after: "Laptop".to_owned() };
    let claims = Change { before: vec![], after: vec![claim("team", "ops")] };
    assert_stored_form(
        &[
            registered(true),
            profile_changed(Personal::of(ada(), profile_change.clone()), true),
            // As earlier releases recorded it.
            UserEvent::ProfileChanged {
                change: Personal::of(ada(), profile_change),
                email_verified: true,
                was_verified: None,
            },
            verification_requested("a"),
            UserEvent::EmailVerified,
            UserEvent::TestMailRequested,
            enrolled(1),
            by_link,
            UserEvent::PasskeyRenamed { passkey_id: passkey_id(1), name: Personal::of(ada(), rename) },
            suspended(1),
            UserEvent::PasskeyRestored { passkey_id: passkey_id(1), counter: 3 },
            UserEvent::PasskeyRemoved { passkey_id: passkey_id(1), by: RemovedBy::Recovery },
            UserEvent::SecondPasskeyDeclined { at: NOON },
            UserEvent::GroupJoined { group_id: group(1) },
            UserEvent::GroupLeft { group_id: group(1) },
            UserEvent::ClaimsSet { claims: Personal::of(ada(), claims) },
            UserEvent::PictureSet { picture: Digest::of("a") },
            UserEvent::PictureRemoved,
            UserEvent::Disabled,
            UserEvent::Enabled,
            UserEvent::AdminGranted,
            UserEvent::AdminRevoked,
            UserEvent::SignedOutEverywhere { except: Some(session) },
            UserEvent::Erased,
        ],
        json!([
            { "user.registered": {
                "profile": named(ada_stored.clone()), "email_verified": false, "is_admin": true, "via": "admin"
            } },
            { "user.profile_changed": {
                "change": named(json!({ "before": ada_stored, "after": without_email })), "email_verified": true,
                "was_verified": false
            } },
            { "user.profile_changed": {
                "change": named(json!({ "before": ada_stored, "after": without_email })), "email_verified": true
            } },
            { "user.email_verification_requested": {
                "verification_id": "00000000-0000-0000-0000-000000000007", "address": named(json!("ada@example.org")),
                "secret": "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs", "requested_at": "2026-11-23T12:00:00Z",
                "expires_at": "2026-11-24T12:00:00Z"
            } },
            "user.email_verified",
            "user.test_mail_requested",
            { "user.passkey_enrolled": {
                "passkey": stored_passkey, "name": named(json!("Key 1")), "via": "self_service"
            } },
            { "user.passkey_enrolled": {
                "passkey": stored_passkey, "name": named(json!("Key 1")),
                "via": { "enrollment": { "enrollment_id": "00000000-0000-0000-0000-000000000008" } }
            } },
            { "user.passkey_renamed": {
                "passkey_id": first, "name": named(json!({ "before": "Key 1", "after": "Laptop" }))
            } },
            { "user.passkey_suspended": { "passkey_id": first, "stored": 7, "presented": 3 } },
            { "user.passkey_restored": { "passkey_id": first, "counter": 3 } },
            { "user.passkey_removed": { "passkey_id": first, "by": "recovery" } },
            { "user.second_passkey_declined": { "at": "2026-11-23T12:00:00Z" } },
            { "user.group_joined": { "group_id": "00000000-0000-0000-0000-0000000000c9" } },
            { "user.group_left": { "group_id": "00000000-0000-0000-0000-0000000000c9" } },
            { "user.claims_set": {
                "claims": named(json!({ "before": [], "after": [{ "key": "team", "value": "ops" }] }))
            } },
            { "user.picture_set": { "picture": "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs" } },
            "user.picture_removed",
            "user.disabled",
            "user.enabled",
            "user.admin_granted",
            "user.admin_revoked",
            { "user.signed_out_everywhere": { "except": "00000000-0000-0000-0000-000000000009" } },
            "user.erased",
        ]),
    );
}

#[test]
fn each_way_in_and_out_is_stored_under_its_stable_name() {
    let ways = [RegisteredVia::Setup, RegisteredVia::Admin, RegisteredVia::Api, RegisteredVia::StaticApiKey];
    assert_eq!(serde_json::to_value(ways).unwrap(), json!(["setup", "admin", "api", "static_api_key"]));
    let by = [RemovedBy::Owner, RemovedBy::Admin, RemovedBy::Recovery];
    assert_eq!(serde_json::to_value(by).unwrap(), json!(["owner", "admin", "recovery"]));
}
