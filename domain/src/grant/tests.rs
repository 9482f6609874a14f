use serde_json::json;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::event::assert_stored_form;
use crate::ids::{GrantId, SessionId, UserId};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::scope::Scopes;
use crate::policy::access::{AccessDenied, Causes, ConsentCause, GroupCause, SessionCause};

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn wiki() -> ClientId {
    "wiki".parse().unwrap()
}

fn thief() -> ClientId {
    "thief".parse().unwrap()
}

fn causes() -> Causes {
    Causes { session: SessionCause::Live, group: GroupCause::Unrestricted, consent: ConsentCause::Given }
}

fn granted() -> Scopes {
    Scopes::known(["openid", "email", "offline_access"])
}

fn authorization() -> Authorization {
    Authorization {
        user_id: UserId(id(1)),
        client_id: wiki(),
        session_id: SessionId(id(2)),
        code: Digest::of("code"),
        redirect_uri: "https://wiki.example/cb".into(),
        scopes: granted(),
        nonce: Some("n".into()),
        code_challenge: None,
        authenticated_at: NOON,
        acr: "phr".into(),
        amr: vec!["pop".into()],
        claims: vec![],
        code_expires_at: NOON + Duration::MINUTE,
        ends_at: NOON + Duration::days(30),
        causes: causes(),
    }
}

fn authorized() -> GrantEvent {
    GrantEvent::Authorized(Box::new(authorization()))
}

fn authorized_with_pkce() -> GrantEvent {
    let code_challenge = Some(CodeChallenge::parse(CHALLENGE, Some("S256")).unwrap());
    GrantEvent::Authorized(Box::new(Authorization { code_challenge, ..authorization() }))
}

fn token(n: u128) -> IssuedAccessToken {
    IssuedAccessToken { jti: format!("jti-{n}"), expires_at: NOON + Duration::HOUR }
}

fn code() -> RedeemCode {
    RedeemCode {
        client_id: wiki(),
        code: Digest::of("code"),
        redirect_uri: Some("https://wiki.example/cb".into()),
        code_verifier: None,
        access_token: token(1),
        refresh_token: Some(digest(1)),
        allowed: Ok(causes()),
        now: NOON,
    }
}

fn redeem(code: RedeemCode) -> GrantCommand {
    GrantCommand::RedeemCode(Box::new(code))
}

fn issued() -> GrantEvent {
    GrantEvent::TokensIssued { access_token: token(1), refresh_token: Some(digest(1)), causes: causes() }
}

/// Of the refresh token of a generation.
fn digest(generation: u32) -> Digest {
    Digest::of(format!("refresh token {generation}"))
}

/// A client presents the refresh token of a generation.
fn presenting(generation: u32, now: OffsetDateTime) -> Refresh {
    Refresh {
        client_id: wiki(),
        presented: PresentedRefreshToken { grant: GrantId(id(9)), generation, digest: digest(generation) },
        genuine: true,
        successors: vec![digest(generation + 1)],
        scopes: None,
        access_token: token(2),
        allowed: Ok(causes()),
        now,
    }
}

fn refresh(refresh: Refresh) -> GrantCommand {
    GrantCommand::Refresh(Box::new(refresh))
}

fn refreshed(generation: u32, at: OffsetDateTime, repeated: bool) -> GrantEvent {
    GrantEvent::Refreshed {
        generation,
        refresh_token: digest(generation),
        repeated,
        access_token: token(2),
        scopes: granted(),
        at,
        causes: causes(),
    }
}

fn revoked(why: RevokedWhy) -> GrantEvent {
    GrantEvent::Revoked { why }
}

fn issue_to_client() -> GrantCommand {
    let (scopes, access_token) = (Scopes::default(), token(1));
    GrantCommand::IssueToClient { client_id: wiki(), scopes, access_token, causes: causes() }
}

fn client_tokens_issued() -> GrantEvent {
    let (scopes, access_token) = (Scopes::default(), token(1));
    GrantEvent::ClientTokensIssued { client_id: wiki(), scopes, access_token, causes: causes() }
}

#[track_caller]
fn given_when_then(given: &[GrantEvent], when: GrantCommand, then: Result<Vec<GrantEvent>, GrantRefusal>) {
    assert_eq!(Grant::after(given.to_vec()).decide(when), then);
}

#[test]
fn an_authorization_is_one_event() {
    let authorize = GrantCommand::Authorize(Box::new(authorization()));
    given_when_then(&[], authorize.clone(), Ok(vec![authorized()]));
    given_when_then(&[authorized()], authorize, Err(GrantRefusal::AlreadyExists));
}

#[test]
fn a_token_response_is_one_event() {
    given_when_then(&[authorized()], redeem(code()), Ok(vec![issued()]));
}

#[test]
fn a_clients_own_grant_is_one_event_and_has_no_code() {
    given_when_then(&[], issue_to_client(), Ok(vec![client_tokens_issued()]));
    given_when_then(&[client_tokens_issued()], issue_to_client(), Err(GrantRefusal::AlreadyExists));
    given_when_then(&[client_tokens_issued()], redeem(code()), Err(GrantRefusal::Unknown));
    given_when_then(&[client_tokens_issued()], refresh(presenting(1, NOON)), Err(GrantRefusal::Unknown));
}

#[test]
fn cr01_a_code_that_comes_again_ends_the_grant() {
    let then = vec![GrantEvent::CodeReplayed, revoked(RevokedWhy::CodeReplayed)];
    given_when_then(&[authorized(), issued()], redeem(code()), Ok(then.clone()));
    let again = [&[authorized(), issued()], &then[..]].concat();
    given_when_then(&again, redeem(code()), Err(GrantRefusal::Revoked));
}

#[test]
fn cr_a_code_counts_for_its_client_alone_and_another_uses_nothing_up() {
    let stolen = redeem(RedeemCode { client_id: thief(), ..code() });
    given_when_then(&[authorized()], stolen.clone(), Err(GrantRefusal::OtherClient));
    given_when_then(&[authorized(), issued()], stolen, Err(GrantRefusal::OtherClient));
}

#[test]
fn a_code_that_was_not_issued_is_unknown() {
    given_when_then(&[], redeem(code()), Err(GrantRefusal::Unknown));
    let other = redeem(RedeemCode { code: Digest::of("another"), ..code() });
    given_when_then(&[authorized()], other, Err(GrantRefusal::Unknown));
}

#[test]
fn a_code_lives_until_the_second_it_expires() {
    let at = |now| redeem(RedeemCode { now, ..code() });
    let last = NOON + Duration::seconds(59);
    given_when_then(&[authorized()], at(last), Ok(vec![issued()]));
    given_when_then(&[authorized()], at(NOON + Duration::MINUTE), Err(GrantRefusal::CodeExpired));
}

#[test]
fn cr05_a_code_is_not_redeemed_after_its_session_whatever_outlives_it() {
    let allowed = Ok(Causes { session: SessionCause::OfflineAccess, ..causes() });
    let late = redeem(RedeemCode { allowed: allowed.clone(), ..code() });
    given_when_then(&[authorized()], late.clone(), Err(GrantRefusal::SessionOver));
    let then = vec![GrantEvent::CodeReplayed, revoked(RevokedWhy::CodeReplayed)];
    given_when_then(&[authorized(), issued()], late, Ok(then));
    let away = Refresh { allowed, ..presenting(1, NOON) };
    assert!(Grant::after([authorized(), issued()].to_vec()).decide(refresh(away)).is_ok(), "a refresh token is");
}

#[test]
fn the_redirect_uri_is_that_of_the_request() {
    for redirect_uri in [None, Some("https://wiki.example/cb/".to_owned())] {
        let when = redeem(RedeemCode { redirect_uri, ..code() });
        given_when_then(&[authorized()], when, Err(GrantRefusal::OtherRedirectUri));
    }
}

#[test]
fn a_challenge_is_met_by_its_verifier() {
    let with = |verifier: Option<&str>| redeem(RedeemCode { code_verifier: verifier.map(str::to_owned), ..code() });
    let failed = vec![GrantEvent::PkceFailed];
    let wrong = VERIFIER.replace('d', "e");
    given_when_then(&[authorized_with_pkce()], with(Some(VERIFIER)), Ok(vec![issued()]));
    given_when_then(&[authorized_with_pkce()], with(Some(&wrong)), Ok(failed.clone()));
    given_when_then(&[authorized_with_pkce()], with(None), Ok(failed));
    given_when_then(&[authorized()], with(Some(VERIFIER)), Err(GrantRefusal::UnexpectedVerifier));
    let spent = [authorized_with_pkce(), GrantEvent::PkceFailed];
    given_when_then(&spent, with(Some(VERIFIER)), Err(GrantRefusal::Revoked));
}

#[test]
fn refresh_tokens_rotate() {
    let first = [authorized(), issued()];
    given_when_then(&first, refresh(presenting(1, NOON)), Ok(vec![refreshed(2, NOON, false)]));
    let second = [&first[..], &[refreshed(2, NOON, false)]].concat();
    given_when_then(&second, refresh(presenting(2, NOON)), Ok(vec![refreshed(3, NOON, false)]));
}

#[test]
fn rt08_a_client_that_lost_the_answer_gets_the_same_successor_for_a_moment() {
    let given = [authorized(), issued(), refreshed(2, NOON, false)];
    let last = NOON + Duration::seconds(29);
    given_when_then(&given, refresh(presenting(1, last)), Ok(vec![refreshed(2, last, true)]));
    let again = [&given[..], &[refreshed(2, last, true)]].concat();
    given_when_then(&again, refresh(presenting(2, last)), Ok(vec![refreshed(3, last, false)]));
}

#[test]
fn rt_a_used_token_ends_the_grant_after_that_moment() {
    let given = [authorized(), issued(), refreshed(2, NOON, false)];
    let detected = |generation| {
        let reused = GrantEvent::RefreshReuseDetected { generation };
        Ok(vec![reused, revoked(RevokedWhy::RefreshReused)])
    };
    given_when_then(&given, refresh(presenting(1, NOON + Duration::seconds(30))), detected(1));
    let later = [&given[..], &[refreshed(3, NOON, false)]].concat();
    given_when_then(&later, refresh(presenting(1, NOON)), detected(1));
    let over = [&given[..], &detected(1).unwrap()].concat();
    given_when_then(&over, refresh(presenting(2, NOON)), Err(GrantRefusal::Revoked));
}

#[test]
fn a_repeated_answer_does_not_prolong_the_moment() {
    let repeated = NOON + Duration::seconds(29);
    let given = [authorized(), issued(), refreshed(2, NOON, false), refreshed(2, repeated, true)];
    let decided = Grant::after(given).decide(refresh(presenting(1, NOON + Duration::seconds(30)))).unwrap();
    assert_eq!(decided[0], GrantEvent::RefreshReuseDetected { generation: 1 });
}

#[test]
fn a_made_up_token_is_unknown_and_ends_nothing() {
    let forged = Refresh { genuine: false, ..presenting(7, NOON) };
    given_when_then(&[authorized(), issued()], refresh(forged), Err(GrantRefusal::Unknown));
}

#[test]
fn a_refresh_token_counts_for_its_client_until_the_grant_ends() {
    let given = [authorized(), issued()];
    let stolen = Refresh { client_id: thief(), ..presenting(1, NOON) };
    given_when_then(&given, refresh(stolen), Err(GrantRefusal::OtherClient));
    let end = NOON + Duration::days(30);
    let last = end - Duration::SECOND;
    given_when_then(&given, refresh(presenting(1, last)), Ok(vec![refreshed(2, last, false)]));
    given_when_then(&given, refresh(presenting(1, end)), Err(GrantRefusal::Ended));
}

#[test]
fn a_refresh_narrows_but_never_widens() {
    let given = [authorized(), issued()];
    let asking = |scopes| refresh(Refresh { scopes: Some(Scopes::known(scopes)), ..presenting(1, NOON) });
    let narrowed = Grant::after(given.clone()).decide(asking(["openid", "openid"])).unwrap();
    let [GrantEvent::Refreshed { scopes, .. }] = narrowed.as_slice() else { panic!("{narrowed:?}") };
    assert_eq!(*scopes, Scopes::known(["openid"]));
    given_when_then(&given, asking(["openid", "groups"]), Err(GrantRefusal::WiderScope));
    let nothing = refresh(Refresh { scopes: Some(Scopes::default()), ..presenting(1, NOON) });
    given_when_then(&given, nothing, Err(GrantRefusal::NoScope));
}

#[test]
fn what_the_policy_denies_is_refused_and_a_replay_is_recorded_all_the_same() {
    for denied in [AccessDenied::PersonDisabled, AccessDenied::NotInGroup, AccessDenied::GrantRevoked] {
        let code = redeem(RedeemCode { allowed: Err(denied), ..code() });
        let replayed = vec![GrantEvent::CodeReplayed, revoked(RevokedWhy::CodeReplayed)];
        given_when_then(&[authorized()], code.clone(), Err(GrantRefusal::Denied(denied)));
        given_when_then(&[authorized(), issued()], code, Ok(replayed));

        let given = [authorized(), issued(), refreshed(2, NOON, false)];
        let token = |generation, now| refresh(Refresh { allowed: Err(denied), ..presenting(generation, now) });
        let reused = vec![GrantEvent::RefreshReuseDetected { generation: 1 }, revoked(RevokedWhy::RefreshReused)];
        given_when_then(&given, token(2, NOON), Err(GrantRefusal::Denied(denied)));
        given_when_then(&given, token(1, NOON), Err(GrantRefusal::Denied(denied)));
        given_when_then(&given, token(1, NOON + Duration::MINUTE), Ok(reused));
    }
}

#[test]
fn rt_a_used_token_ends_the_grant_whatever_is_asked_for_with_it() {
    let given = [authorized(), issued(), refreshed(2, NOON, false)];
    let reused = vec![GrantEvent::RefreshReuseDetected { generation: 1 }, revoked(RevokedWhy::RefreshReused)];
    for scopes in [Scopes::default(), Scopes::known(["openid", "groups"])] {
        let wider = Refresh { scopes: Some(scopes), ..presenting(1, NOON + Duration::MINUTE) };
        given_when_then(&given, refresh(wider), Ok(reused.clone()));
    }
}

#[test]
fn a_grant_without_offline_access_has_nothing_to_refresh() {
    let without = GrantEvent::TokensIssued { access_token: token(1), refresh_token: None, causes: causes() };
    given_when_then(&[authorized(), without], refresh(presenting(1, NOON)), Err(GrantRefusal::Unknown));
}

fn token_revoked() -> GrantEvent {
    let IssuedAccessToken { jti, expires_at } = token(1);
    GrantEvent::TokenRevoked { jti, expires_at: Some(expires_at), at: Some(NOON) }
}

#[test]
fn a_client_revokes_its_own_tokens() {
    let revoke = |client_id| GrantCommand::RevokeToken { client_id, token: token(1), now: NOON };
    for given in [vec![authorized(), issued()], vec![client_tokens_issued()]] {
        given_when_then(&given, revoke(wiki()), Ok(vec![token_revoked()]));
        given_when_then(&given, revoke(thief()), Err(GrantRefusal::OtherClient));
    }
    let over = [authorized(), issued(), revoked(RevokedWhy::ByClient)];
    given_when_then(&over, revoke(wiki()), Ok(vec![]));
    given_when_then(&[], revoke(wiki()), Err(GrantRefusal::Unknown));
}

#[test]
fn giving_a_refresh_token_back_ends_the_grant() {
    let give_back = |client_id, generation| GrantCommand::RevokeByRefreshToken {
        client_id,
        presented: presenting(generation, NOON).presented,
    };
    let given = [authorized(), issued(), refreshed(2, NOON, false)];
    let ended = Ok(vec![revoked(RevokedWhy::ByClient)]);
    given_when_then(&given, give_back(wiki(), 2), ended.clone());
    given_when_then(&given, give_back(wiki(), 1), ended);
    given_when_then(&given, give_back(wiki(), 7), Ok(vec![]));
    given_when_then(&given, give_back(thief(), 2), Err(GrantRefusal::OtherClient));
    let over = [&given[..], &[revoked(RevokedWhy::ByClient)]].concat();
    given_when_then(&over, give_back(wiki(), 2), Ok(vec![]));
    given_when_then(&over, refresh(presenting(2, NOON)), Err(GrantRefusal::Revoked));
}

#[test]
fn only_the_newest_refresh_token_is_current() {
    let grant = Grant::after([authorized(), issued(), refreshed(2, NOON, false)]);
    assert!(grant.is_current(&presenting(2, NOON).presented));
    assert!(!grant.is_current(&presenting(1, NOON).presented));
    assert_eq!(grant.authorization(), Some(&authorization()));
}

#[test]
fn a_thief_learns_nothing_from_a_refusal() {
    let answer = |refusal| OAuthError::from(refusal);
    let same = answer(GrantRefusal::Unknown);
    assert_eq!(same.code, ErrorCode::InvalidGrant);
    for refusal in [
        GrantRefusal::OtherClient,
        GrantRefusal::SessionOver,
        GrantRefusal::Revoked,
        GrantRefusal::Ended,
        GrantRefusal::AlreadyExists,
    ] {
        assert_eq!(answer(refusal), same);
    }
    for refusal in [GrantRefusal::CodeExpired, GrantRefusal::OtherRedirectUri, GrantRefusal::UnexpectedVerifier] {
        assert_eq!(answer(refusal).code, ErrorCode::InvalidGrant);
    }
    assert_eq!(answer(GrantRefusal::WiderScope).code, ErrorCode::InvalidScope);
}

#[test]
fn stored_form() {
    let causes = json!({ "session": "live", "group": "unrestricted", "consent": "given" });
    let token = |n: u8| json!({ "jti": format!("jti-{n}"), "expires_at": "2026-11-23T13:00:00Z" });
    let scopes = json!(["openid", "email", "offline_access"]);
    let stored_authorization = json!({
        "user_id": id(1), "client_id": "wiki", "session_id": id(2), "code": Digest::of("code"),
        "redirect_uri": "https://wiki.example/cb", "scopes": scopes, "nonce": "n", "code_challenge": CHALLENGE,
        "authenticated_at": "2026-11-23T12:00:00Z", "acr": "phr", "amr": ["pop"], "claims": [],
        "code_expires_at": "2026-11-23T12:01:00Z", "ends_at": "2026-12-23T12:00:00Z", "causes": causes
    });
    assert_stored_form(
        &[
            authorized_with_pkce(),
            issued(),
            client_tokens_issued(),
            refreshed(2, NOON, true),
            GrantEvent::PkceFailed,
            GrantEvent::CodeReplayed,
            GrantEvent::RefreshReuseDetected { generation: 1 },
            token_revoked(),
            revoked(RevokedWhy::CodeReplayed),
            revoked(RevokedWhy::RefreshReused),
            revoked(RevokedWhy::ByClient),
        ],
        json!([
            { "grant.authorized": stored_authorization },
            { "grant.tokens_issued": { "access_token": token(1), "refresh_token": digest(1), "causes": causes } },
            { "grant.client_tokens_issued": {
                "client_id": "wiki", "scopes": [], "access_token": token(1), "causes": causes
            } },
            { "grant.refreshed": {
                "generation": 2, "refresh_token": digest(2), "repeated": true, "access_token": token(2),
                "scopes": scopes, "at": "2026-11-23T12:00:00Z", "causes": causes
            } },
            "grant.pkce_failed",
            "grant.code_replayed",
            { "grant.refresh_reuse_detected": { "generation": 1 } },
            { "grant.token_revoked": {
                "jti": "jti-1", "expires_at": "2026-11-23T13:00:00Z", "at": "2026-11-23T12:00:00Z"
            } },
            { "grant.revoked": { "why": "code_replayed" } },
            { "grant.revoked": { "why": "refresh_reused" } },
            { "grant.revoked": { "why": "by_client" } },
        ]),
    );
}

#[test]
fn a_revocation_that_was_stored_without_times_is_still_read() {
    let stored = json!({ "grant.token_revoked": { "jti": "jti-1" } });
    let read: GrantEvent = serde_json::from_value(stored).unwrap();
    assert_eq!(read, GrantEvent::TokenRevoked { jti: "jti-1".into(), expires_at: None, at: None });
}
