use time::Duration;
use time::macros::datetime;

use super::access::*;
use super::admin::{AdminAction, Denied, OperatorFacts, authorize};
use super::allowance::Allowance;
use super::command::{Command, Giver, Needs, permit};
use crate::api_key::ApiKeyCommand;
use crate::client::ClientCommand;
use crate::digest::Digest;
use crate::enrollment::{EnrollmentCommand, Purpose, RevokedWhy};
use crate::group::{GroupCommand, GroupNames};
use crate::ids::{ClientSecretId, GroupId, PasskeyId, UserId};
use crate::oauth::error::ErrorCode;
use crate::oauth::scope::Scopes;
use crate::session::{SessionCommand, SessionEnd};
use crate::user::{Profile, RemovedBy, UserCommand};

fn scopes(names: &[&str]) -> Scopes {
    Scopes::known(names.iter().copied())
}

/// Everything speaks for it.
fn person() -> PersonFacts {
    PersonFacts {
        enabled: true,
        session_live: true,
        client_is_restricted: false,
        in_allowed_group: false,
        consent: ConsentFacts::Given(scopes(&["openid", "offline_access"])),
    }
}

fn decide(person: PersonFacts, asked: &[&str]) -> Result<Causes, AccessDenied> {
    decide_access(&AccessFacts { client_enabled: true, person: Some(person), grant_revoked: false }, &scopes(asked))
}

#[test]
fn access_rests_on_session_group_and_consent() {
    let causes = Causes { session: SessionCause::Live, group: GroupCause::Unrestricted, consent: ConsentCause::Given };
    assert_eq!(decide(person(), &["openid"]), Ok(causes));
}

#[test]
fn each_fact_alone_denies() {
    let denied = |person| decide(person, &["openid"]).unwrap_err();
    assert_eq!(denied(PersonFacts { enabled: false, ..person() }), AccessDenied::PersonDisabled);
    assert_eq!(denied(PersonFacts { session_live: false, ..person() }), AccessDenied::SessionOver);
    assert_eq!(denied(PersonFacts { client_is_restricted: true, ..person() }), AccessDenied::NotInGroup);
    assert_eq!(denied(PersonFacts { consent: ConsentFacts::Absent, ..person() }), AccessDenied::ConsentMissing);
    let wider = decide(person(), &["openid", "email"]);
    assert_eq!(wider, Err(AccessDenied::ConsentMissing));
}

#[test]
fn a_disabled_client_and_a_revoked_grant_are_denied_with_and_without_a_person() {
    for person in [Some(person()), None] {
        let disabled = AccessFacts { client_enabled: false, person: person.clone(), grant_revoked: false };
        assert_eq!(decide_access(&disabled, &scopes(&[])), Err(AccessDenied::ClientDisabled));
        let revoked = AccessFacts { client_enabled: true, person, grant_revoked: true };
        assert_eq!(decide_access(&revoked, &scopes(&[])), Err(AccessDenied::GrantRevoked));
    }
}

#[test]
fn offline_access_outlasts_the_session() {
    let over = PersonFacts { session_live: false, ..person() };
    let causes = decide(over, &["openid", "offline_access"]).unwrap();
    assert_eq!(causes.session, SessionCause::OfflineAccess);
}

#[test]
fn members_use_a_restricted_app() {
    let member = PersonFacts { client_is_restricted: true, in_allowed_group: true, ..person() };
    assert_eq!(decide(member, &["openid"]).unwrap().group, GroupCause::Member);
}

#[test]
fn a_trusted_app_asks_nobody() {
    let trusted = PersonFacts { consent: ConsentFacts::Skipped, ..person() };
    assert_eq!(decide(trusted, &["openid", "email"]).unwrap().consent, ConsentCause::Skipped);
}

#[test]
fn a_client_acts_for_itself() {
    let facts = AccessFacts { client_enabled: true, person: None, grant_revoked: false };
    let causes =
        Causes { session: SessionCause::NotNeeded, group: GroupCause::Unrestricted, consent: ConsentCause::NotNeeded };
    assert_eq!(decide_access(&facts, &scopes(&[])), Ok(causes));
}

#[test]
fn each_denial_has_its_code_at_each_endpoint() {
    use ErrorCode::{
        AccessDenied as Refused, ConsentRequired, InvalidClient, InvalidGrant, LoginRequired, UnauthorizedClient,
    };
    for (denied, at_token, at_authorization) in [
        (AccessDenied::ClientDisabled, InvalidClient, UnauthorizedClient),
        (AccessDenied::PersonDisabled, InvalidGrant, LoginRequired),
        (AccessDenied::GrantRevoked, InvalidGrant, LoginRequired),
        (AccessDenied::SessionOver, InvalidGrant, LoginRequired),
        (AccessDenied::NotInGroup, InvalidGrant, Refused),
        (AccessDenied::ConsentMissing, InvalidGrant, ConsentRequired),
    ] {
        assert_eq!(denied.at_token_endpoint().code, at_token, "{denied}");
        assert_eq!(denied.at_authorization_endpoint().code, at_authorization, "{denied}");
    }
}

#[test]
fn only_enabled_administrators_administer() {
    let admin = OperatorFacts { is_admin: true, enabled: true, stepped_up: true, via_api_key: false };
    for action in AdminAction::ALL {
        assert_eq!(authorize(&admin, action), Ok(()), "{action:?}");
        assert_eq!(authorize(&OperatorFacts { is_admin: false, ..admin }, action), Err(Denied::NotAdmin));
        assert_eq!(authorize(&OperatorFacts { enabled: false, ..admin }, action), Err(Denied::Disabled));
    }
}

#[test]
fn whoever_changes_something_has_proved_themselves_lately() {
    let reading = [
        AdminAction::ReadUsers,
        AdminAction::ReadGroups,
        AdminAction::ReadClients,
        AdminAction::ReadHistory,
        AdminAction::ReadSettings,
    ];
    let admin = OperatorFacts { is_admin: true, enabled: true, stepped_up: false, via_api_key: false };
    for action in AdminAction::ALL {
        let then = if reading.contains(&action) { Ok(()) } else { Err(Denied::StepUpRequired) };
        assert_eq!(authorize(&admin, action), then, "{action:?}");
        assert_eq!(authorize(&OperatorFacts { via_api_key: true, ..admin }, action), Ok(()), "{action:?}");
    }
}

const ADA: UserId = UserId(uuid::Uuid::from_u128(1));
const BOB: UserId = UserId(uuid::Uuid::from_u128(2));

/// Whether Ada may: about herself, about Bob, and about nobody.
fn ada_may(facts: OperatorFacts, needs: Needs) -> [Result<(), Denied>; 3] {
    [Some(ADA), Some(BOB), None].map(|owner| permit(&Giver::Person(ADA, facts), needs, owner))
}

#[test]
fn ad14_every_act_of_administration_has_a_rule() {
    let person = OperatorFacts { is_admin: false, enabled: true, stepped_up: true, via_api_key: false };
    for action in AdminAction::ALL {
        assert_eq!(ada_may(person, Needs::Admin(action)), [Err(Denied::NotAdmin); 3], "{action:?}");
        let own = [Ok(()), Err(Denied::NotAdmin), Err(Denied::NotAdmin)];
        assert_eq!(ada_may(person, Needs::OwnerOr(action)), own, "{action:?}");
        let admin = OperatorFacts { is_admin: true, ..person };
        for needs in [Needs::Admin(action), Needs::OwnerOr(action)] {
            assert_eq!(ada_may(admin, needs), [Ok(()); 3], "{needs:?}");
            assert_eq!(ada_may(OperatorFacts { enabled: false, ..admin }, needs), [Err(Denied::Disabled); 3]);
        }
    }
}

#[test]
fn what_is_ones_own_is_nobody_elses_not_even_an_administrators() {
    let admin = OperatorFacts { is_admin: true, enabled: true, stepped_up: true, via_api_key: false };
    let own = [Ok(()), Err(Denied::NotTheirs), Err(Denied::NotTheirs)];
    for needs in [Needs::Owner, Needs::ProvenOwner] {
        assert_eq!(ada_may(admin, needs), own);
        assert_eq!(ada_may(OperatorFacts { enabled: false, ..admin }, needs)[0], Err(Denied::Disabled));
    }
    for unproven in [OperatorFacts { stepped_up: false, ..admin }, OperatorFacts { via_api_key: true, ..admin }] {
        assert_eq!(ada_may(unproven, Needs::Owner), own);
        assert_eq!(ada_may(unproven, Needs::ProvenOwner)[0], Err(Denied::StepUpRequired));
    }
}

#[test]
fn what_chancery_has_to_verify_is_taken_on_nobodys_word() {
    let admin = OperatorFacts { is_admin: true, enabled: true, stepped_up: true, via_api_key: true };
    assert_eq!(ada_may(admin, Needs::Verified), [Err(Denied::Unverified); 3]);
    for needs in [Needs::Verified, Needs::ProvenOwner, Needs::Admin(AdminAction::ManageUsers)] {
        assert_eq!(permit(&Giver::Chancery, needs, None), Ok(()));
    }
}

#[test]
fn ad14_commands_need_what_they_do() {
    use AdminAction::*;
    let now = datetime!(2026-11-23 12:00 UTC);
    let (digest, lifetime) = (Digest::of("secret"), Duration::DAY);
    let (passkey_id, group_id) = (PasskeyId(ADA.0), GroupId(ADA.0));
    let names = GroupNames { name: "ops".into(), friendly_name: "Ops".into() };
    let profile = Profile {
        username: "ada".into(),
        email: None,
        first_name: String::new(),
        last_name: String::new(),
        display_name: "ada".into(),
        locale: None,
    };
    let issue = |purpose| EnrollmentCommand::Issue { purpose, secret: digest, now, lifetime };
    let commands: Vec<(Box<dyn Command>, Needs)> = vec![
        (Box::new(UserCommand::SetGroups { groups: Vec::new() }), Needs::Admin(ManageUsers)),
        (Box::new(UserCommand::Disable { other_admins: true }), Needs::Admin(ManageUsers)),
        (Box::new(UserCommand::Enable), Needs::Admin(ManageUsers)),
        (Box::new(UserCommand::GrantAdmin), Needs::Admin(ManageUsers)),
        (Box::new(UserCommand::RevokeAdmin { other_admins: true }), Needs::Admin(ManageUsers)),
        (Box::new(UserCommand::Erase { other_admins: true }), Needs::Admin(ManageUsers)),
        (Box::new(UserCommand::RestorePasskey { passkey_id, counter: 1 }), Needs::Admin(ManageUsers)),
        (Box::new(UserCommand::JoinGroup { group_id }), Needs::Admin(ManageGroups)),
        (Box::new(UserCommand::RequestTestMail), Needs::Admin(SendTestMail)),
        (Box::new(UserCommand::RemovePasskey { passkey_id, by: RemovedBy::Admin }), Needs::Admin(RemovePasskey)),
        (Box::new(UserCommand::RemovePasskey { passkey_id, by: RemovedBy::Owner }), Needs::ProvenOwner),
        (Box::new(UserCommand::RemovePasskey { passkey_id, by: RemovedBy::Recovery }), Needs::Verified),
        (Box::new(UserCommand::ReplacePasskeys { keep: passkey_id }), Needs::Verified),
        (Box::new(UserCommand::RemovePicture), Needs::OwnerOr(ManageUsers)),
        (Box::new(UserCommand::SignOutEverywhere { except: None }), Needs::OwnerOr(EndSessions)),
        (
            Box::new(UserCommand::ChangeProfile { profile: profile.clone(), email_verified: true }),
            Needs::Admin(ManageUsers),
        ),
        (Box::new(UserCommand::ChangeOwnProfile { profile }), Needs::Owner),
        (Box::new(UserCommand::VerifyEmail { secret: digest, now }), Needs::Owner),
        (Box::new(UserCommand::DeclineSecondPasskey { now }), Needs::Owner),
        (Box::new(issue(Purpose::Invitation { user_id: ADA })), Needs::Admin(IssueEnrollment)),
        (Box::new(issue(Purpose::Setup)), Needs::Verified),
        (Box::new(EnrollmentCommand::Revoke { why: RevokedWhy::ByAdmin }), Needs::Admin(IssueEnrollment)),
        (Box::new(SessionCommand::End { why: SessionEnd::EndedByAdmin }), Needs::Admin(EndSessions)),
        (Box::new(SessionCommand::End { why: SessionEnd::EndedByOwner }), Needs::Owner),
        (Box::new(SessionCommand::Touch { now }), Needs::Verified),
        (Box::new(ApiKeyCommand::Revoke { user_id: ADA }), Needs::Owner),
        (Box::new(ApiKeyCommand::Renew { user_id: ADA, digest, expires_at: now, now }), Needs::ProvenOwner),
        (Box::new(GroupCommand::Create { names: names.clone() }), Needs::Admin(ManageGroups)),
        (Box::new(GroupCommand::Change { names }), Needs::Admin(ManageGroups)),
        (Box::new(GroupCommand::SetClaims { claims: Vec::new() }), Needs::Admin(ManageGroups)),
        (Box::new(GroupCommand::Delete), Needs::Admin(ManageGroups)),
        (Box::new(ClientCommand::RestrictAccess { groups: Vec::new() }), Needs::Admin(ManageClients)),
        (Box::new(ClientCommand::Disable), Needs::Admin(ManageClients)),
        (Box::new(ClientCommand::Enable), Needs::Admin(ManageClients)),
        (Box::new(ClientCommand::Delete), Needs::Admin(ManageClients)),
        (Box::new(ClientCommand::RemoveSecret { secret_id: ClientSecretId(ADA.0) }), Needs::Admin(ManageClientSecrets)),
    ];
    for (command, needs) in commands {
        assert_eq!(command.needs(), needs);
    }
}

#[test]
fn an_allowance_gives_its_burst_at_once_and_then_its_pace() {
    let allowance = Allowance::one_each(10, 3);
    let start = datetime!(2026-11-23 12:00 UTC);
    let mut restored_at = None;
    for _ in 0..3 {
        restored_at = Some(allowance.take(restored_at, start).unwrap());
    }

    let refused = allowance.take(restored_at, start).unwrap_err();
    assert_eq!(refused.seconds(), 10);
    let refused = allowance.take(restored_at, start + Duration::milliseconds(9_500)).unwrap_err();
    assert_eq!(refused.seconds(), 1, "a started second counts");
    restored_at = Some(allowance.take(restored_at, start + Duration::seconds(10)).unwrap());
    allowance.take(restored_at, start + Duration::seconds(10)).unwrap_err();

    let later = start + Duration::hours(1);
    for _ in 0..3 {
        restored_at = Some(allowance.take(restored_at, later).unwrap());
    }
    allowance.take(restored_at, later).unwrap_err();
}

#[test]
fn an_allowance_is_never_out_for_longer_than_its_window_whatever_the_clock_did() {
    let allowance = Allowance::one_each(10, 3);
    let now = datetime!(2026-11-23 12:00 UTC);

    let refused = allowance.take(Some(now + Duration::DAY), now).unwrap_err();

    assert_eq!(refused.retry_after, Duration::seconds(10));
}

#[test]
fn an_allowance_is_scaled_in_per_cent_and_never_to_nothing() {
    let allowance = Allowance::one_each(10, 20);

    assert_eq!(allowance.scaled(200), Allowance { burst: 40, every: Duration::seconds(5) });
    assert_eq!(allowance.scaled(50), Allowance { burst: 10, every: Duration::seconds(20) });
    assert_eq!(allowance.scaled(1).burst, 1);
}
