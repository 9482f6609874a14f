use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::interaction::{Done, Present, Situation, Step, next_step};
use super::request::{AuthorizationRequest, BadAddress, Prompt, RequestedClaims, client_id, parse, return_address};
use crate::client::ClientSettings;
use crate::ids::UserId;
use crate::oauth::authorization_response::{ResponseMode, ReturnAddress};
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::scope::Scopes;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn settings() -> ClientSettings {
    let callback = RedirectUri::register("https://wiki.example/cb", false).unwrap();
    ClientSettings { redirect_uris: vec![callback], pkce_required: false, ..ClientSettings::named("Wiki") }
}

/// The usual request, with some parameters in place of its own; an empty value leaves one out.
fn params(changes: &[(&str, &str)]) -> Params {
    let usual = [
        ("response_type", "code"),
        ("client_id", "wiki"),
        ("redirect_uri", "https://wiki.example/cb"),
        ("scope", "openid email"),
        ("state", "the-state"),
    ];
    let kept = usual.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let pairs = kept.chain(changes).filter(|(_, value)| !value.is_empty());
    Params::new(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn read_by(settings: &ClientSettings, changes: &[(&str, &str)]) -> Result<AuthorizationRequest, ErrorCode> {
    let params = params(changes);
    let address = return_address(&params, settings).unwrap();
    parse(&params, client_id(&params).unwrap(), address, settings).map_err(|error| error.code)
}

fn read(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, ErrorCode> {
    read_by(&settings(), changes)
}

#[test]
fn a_plain_request() {
    let address = ReturnAddress {
        redirect_uri: "https://wiki.example/cb".into(),
        mode: ResponseMode::Query,
        state: Some("the-state".into()),
    };
    let request = AuthorizationRequest {
        client_id: "wiki".parse().unwrap(),
        address,
        scopes: Scopes::known(["openid", "email"]),
        nonce: None,
        code_challenge: None,
        prompts: vec![],
        max_age: None,
        id_token_hint: None,
        login_hint: None,
        acr_values: vec![],
        claims: RequestedClaims::default(),
    };
    assert_eq!(read(&[]), Ok(request));
}

#[test]
fn az_until_the_address_is_known_nobody_is_redirected() {
    let address = |changes: &[(&str, &str)]| return_address(&params(changes), &settings()).unwrap_err();
    assert_eq!(client_id(&params(&[("client_id", "")])), Err(BadAddress::MissingClient));
    assert_eq!(client_id(&params(&[("client_id", "a b")])), Err(BadAddress::UnknownClient));
    assert_eq!(address(&[("redirect_uri", "")]), BadAddress::MissingRedirectUri);
    assert_eq!(address(&[("redirect_uri", "https://wiki.example/cb/")]), BadAddress::UnregisteredRedirectUri);
}

#[test]
fn form_post_is_the_other_response_mode() {
    let mode = |text| return_address(&params(&[("response_mode", text)]), &settings()).unwrap().mode;
    assert_eq!(mode("form_post"), ResponseMode::FormPost);
    assert_eq!(mode("query"), ResponseMode::Query);
    assert_eq!(mode("fragment"), ResponseMode::Query, "its error goes by query");
}

#[test]
fn what_is_not_offered_has_its_own_code() {
    for (name, value, code) in [
        ("response_type", "", ErrorCode::InvalidRequest),
        ("response_type", "token", ErrorCode::UnsupportedResponseType),
        ("response_type", "code id_token", ErrorCode::UnsupportedResponseType),
        ("response_mode", "fragment", ErrorCode::InvalidRequest),
        ("request", "eyJ", ErrorCode::RequestNotSupported),
        ("request_uri", "https://evil.example", ErrorCode::RequestUriNotSupported),
        ("registration", "{}", ErrorCode::RegistrationNotSupported),
        ("scope", "", ErrorCode::InvalidScope),
        ("scope", "email", ErrorCode::InvalidScope),
        ("scope", "openid \"", ErrorCode::InvalidScope),
        ("state", &"x".repeat(4_097), ErrorCode::InvalidRequest),
        ("nonce", &"x".repeat(1_025), ErrorCode::InvalidRequest),
        ("prompt", "none login", ErrorCode::InvalidRequest),
        ("prompt", "create", ErrorCode::InvalidRequest),
        ("max_age", "-1", ErrorCode::InvalidRequest),
        ("max_age", "+1", ErrorCode::InvalidRequest),
        ("max_age", "1.5", ErrorCode::InvalidRequest),
        ("max_age", "99999999999", ErrorCode::InvalidRequest),
    ] {
        assert_eq!(read(&[(name, value)]), Err(code), "{name}={value}");
    }
    assert_eq!(read(&[("nonce", "a"), ("nonce", "b")]), Err(ErrorCode::InvalidRequest));
}

#[test]
fn pk_a_challenge_is_needed_where_the_client_or_the_operator_says_so() {
    let invalid = Err(ErrorCode::InvalidRequest);
    let public = ClientSettings { is_public: true, ..settings() };
    let strict = ClientSettings { pkce_required: true, ..settings() };
    let s256 = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for settings in [&public, &strict] {
        assert_eq!(read_by(settings, &[]), invalid);
        assert!(read_by(settings, &s256).unwrap().code_challenge.is_some());
    }
    assert!(read(&[]).unwrap().code_challenge.is_none());
    assert_eq!(read(&[("code_challenge", CHALLENGE), ("code_challenge_method", "plain")]), invalid);
    assert_eq!(read(&[("code_challenge", CHALLENGE)]), invalid, "a missing method would mean plain");
    assert_eq!(read(&[("code_challenge_method", "S256")]), invalid);
}

#[test]
fn hints_and_wishes_are_read() {
    let request = read(&[
        ("prompt", "login select_account"),
        ("max_age", "0"),
        ("login_hint", "ada"),
        ("id_token_hint", "eyJ"),
        ("acr_values", "phr other"),
        ("nonce", "n"),
    ])
    .unwrap();
    assert_eq!(request.prompts, [Prompt::Login, Prompt::SelectAccount]);
    assert_eq!((request.max_age, request.nonce.as_deref()), (Some(0), Some("n")));
    assert_eq!((request.login_hint.as_deref(), request.id_token_hint.as_deref()), (Some("ada"), Some("eyJ")));
    assert_eq!(request.acr_values, ["phr", "other"]);
}

#[test]
fn openid_core_5_5_the_claims_parameter() {
    let claims = |text| read(&[("claims", text)]).unwrap().claims;
    let both = r#"{"id_token": {"acr": {"essential": true, "values": ["phrh", "phr"]}, "email": null},
                   "userinfo": {"email": {"essential": true}, "picture": null}}"#;
    let read = claims(both);
    assert_eq!(read.names, ["acr", "email", "picture"]);
    assert_eq!(read.essential_acr, ["phrh", "phr"]);
    assert_eq!(claims(r#"{"id_token": {"acr": {"essential": true, "value": "phr"}}}"#).essential_acr, ["phr"]);
    assert_eq!(claims(r#"{"id_token": {"acr": {"value": "other"}}}"#).essential_acr, [""; 0]);
    for malformed in ["{", "[]", "7", r#"{"id_token": 7}"#] {
        assert_eq!(claims(malformed), RequestedClaims::default(), "{malformed}");
    }
}

#[test]
fn openid_core_5_5_a_claim_asked_for_by_name_needs_the_consent_of_its_scope() {
    let asks = |names: &str| [("claims", format!(r#"{{"userinfo": {names}}}"#))];
    let consent = |names: &str| {
        let asks = asks(names);
        read(&asks.each_ref().map(|(name, value)| (*name, value.as_str()))).unwrap().consent_scopes().to_string()
    };

    assert_eq!(consent(r#"{"email": null}"#), "openid email");
    assert_eq!(consent(r#"{"name": {"essential": true}, "groups": null}"#), "openid profile email groups");
    assert_eq!(consent(r#"{"acr": null, "auth_time": {"essential": true}}"#), "openid email");
}

fn ada() -> UserId {
    UserId(Uuid::from_u128(1))
}

/// Signed in an hour ago, everything consented to.
fn at_ease(consented: &Scopes) -> Situation<'_> {
    let authenticated_at = NOON - Duration::HOUR;
    let present = Present { user: ada(), authenticated_at, consented: Some(consented), in_allowed_group: true };
    Situation {
        session: Some(present),
        hinted: None,
        asked_at: NOON,
        now: NOON,
        requires_reauthentication: false,
        skip_consent: false,
        done: Done::default(),
    }
}

fn all() -> Scopes {
    Scopes::known(["openid", "email"])
}

/// The same after a ceremony for this request.
fn fresh(mut situation: Situation<'_>) -> Situation<'_> {
    situation.now = NOON + Duration::MINUTE;
    if let Some(present) = &mut situation.session {
        present.authenticated_at = NOON + Duration::seconds(30);
    }
    situation
}

#[track_caller]
fn step(changes: &[(&str, &str)], situation: &Situation<'_>, then: Result<Step, ErrorCode>) {
    assert_eq!(next_step(&read(changes).unwrap(), situation).map_err(|error| error.code), then);
}

#[test]
fn somebody_signed_in_who_consented_is_asked_nothing() {
    step(&[], &at_ease(&all()), Ok(Step::Nothing));
    step(&[("prompt", "none")], &at_ease(&all()), Ok(Step::Nothing));
}

#[test]
fn nobody_signed_in_is_asked_to() {
    let nobody = Situation { session: None, ..at_ease(&Scopes::default()) };
    step(&[], &nobody, Ok(Step::Authenticate));
    step(&[("prompt", "none")], &nobody, Err(ErrorCode::LoginRequired));
}

#[test]
fn the_hint_names_who_must_be_signed_in() {
    let all = all();
    let other = Situation { hinted: Some(UserId(Uuid::from_u128(9))), ..at_ease(&all) };
    step(&[], &other, Ok(Step::Authenticate));
    step(&[("prompt", "none")], &other, Err(ErrorCode::LoginRequired));
    step(&[], &Situation { hinted: Some(ada()), ..at_ease(&all) }, Ok(Step::Nothing));
}

#[test]
fn az12_somebody_outside_the_groups_is_asked_nothing_unless_somebody_else_is_meant() {
    let (little, denied) = (Scopes::default(), Err(ErrorCode::AccessDenied));
    let outside = || {
        let mut situation = at_ease(&little);
        situation.session.as_mut().unwrap().in_allowed_group = false;
        situation
    };
    for prompt in ["", "none", "login", "consent", "select_account"] {
        step(&[("prompt", prompt)], &outside(), denied);
    }
    step(&[("max_age", "1"), ("prompt", "none")], &outside(), denied);
    let other = Situation { hinted: Some(UserId(Uuid::from_u128(9))), ..outside() };
    step(&[], &other, Ok(Step::Authenticate));
    step(&[("prompt", "none")], &other, Err(ErrorCode::LoginRequired));
}

#[test]
fn a_login_prompt_wants_a_ceremony_for_this_request() {
    step(&[("prompt", "login")], &at_ease(&all()), Ok(Step::Reauthenticate));
    step(&[("prompt", "login")], &fresh(at_ease(&all())), Ok(Step::Nothing));
    let all = all();
    let strict = Situation { requires_reauthentication: true, ..at_ease(&all) };
    step(&[], &strict, Ok(Step::Reauthenticate));
    step(&[("prompt", "none")], &strict, Err(ErrorCode::LoginRequired));
    step(&[], &fresh(strict), Ok(Step::Nothing));
}

#[test]
fn max_age_counts_to_the_second() {
    step(&[("max_age", "3600")], &at_ease(&all()), Ok(Step::Nothing));
    step(&[("max_age", "3599")], &at_ease(&all()), Ok(Step::Reauthenticate));
    step(&[("max_age", "0")], &at_ease(&all()), Ok(Step::Reauthenticate));
    step(&[("max_age", "0")], &fresh(at_ease(&all())), Ok(Step::Nothing));
    step(&[("max_age", "1"), ("prompt", "none")], &at_ease(&all()), Err(ErrorCode::LoginRequired));
}

#[test]
fn an_account_is_selected_once() {
    let (all, select) = (all(), [("prompt", "select_account")]);
    step(&select, &at_ease(&all), Ok(Step::SelectAccount));
    let done = Done { account_selected: true, consented: false };
    step(&select, &Situation { done, ..at_ease(&all) }, Ok(Step::Nothing));
    step(&select, &fresh(at_ease(&all)), Ok(Step::Nothing));
}

#[test]
fn consent_is_asked_for_what_is_not_covered() {
    let little = Scopes::known(["openid"]);
    step(&[], &at_ease(&little), Ok(Step::Consent));
    step(&[("prompt", "none")], &at_ease(&little), Err(ErrorCode::ConsentRequired));
    step(&[("scope", "openid")], &at_ease(&little), Ok(Step::Nothing));
    step(&[], &Situation { skip_consent: true, ..at_ease(&little) }, Ok(Step::Nothing));
}

#[test]
fn a_consent_prompt_asks_again_even_for_a_trusted_app() {
    let (all, consent) = (all(), [("prompt", "consent")]);
    step(&consent, &at_ease(&all), Ok(Step::Consent));
    step(&consent, &Situation { skip_consent: true, ..at_ease(&all) }, Ok(Step::Consent));
    let done = Done { account_selected: false, consented: true };
    step(&consent, &Situation { done, ..at_ease(&all) }, Ok(Step::Nothing));
}

#[test]
fn an_essential_acr_that_cannot_be_given_is_refused() {
    let demanding = |acr: &str| format!(r#"{{"id_token": {{"acr": {{"essential": true, "values": ["{acr}"]}}}}}}"#);
    let unmet = Err(ErrorCode::UnmetAuthenticationRequirements);
    step(&[("claims", &demanding("phrh"))], &at_ease(&all()), unmet);
    step(&[("claims", &demanding("phr"))], &at_ease(&all()), Ok(Step::Nothing));
    step(&[("acr_values", "phrh")], &at_ease(&all()), Ok(Step::Nothing));
}

#[test]
fn openid_core_3_1_2_2_a_subject_that_is_asked_for_is_told_or_nobody_is() {
    let asking = |sub: &str| format!(r#"{{"id_token": {{"sub": {{"value": {sub}}}}}}}"#);
    let all = all();
    for other in [&format!("\"{}\"", Uuid::from_u128(9)), "\"nobody\"", "\"\"", "7", "null"] {
        step(&[("claims", &asking(other))], &at_ease(&all), Ok(Step::Authenticate));
        step(&[("claims", &asking(other)), ("prompt", "none")], &at_ease(&all), Err(ErrorCode::LoginRequired));
    }
    let own = asking(&format!("\"{}\"", ada()));
    step(&[("claims", &own)], &at_ease(&all), Ok(Step::Nothing));
    let hinted = Situation { hinted: Some(UserId(Uuid::from_u128(9))), ..at_ease(&all) };
    step(&[("claims", &own)], &hinted, Ok(Step::Authenticate));
    step(
        &[("claims", r#"{"id_token": {"sub": null}, "userinfo": {"sub": {"value": "x"}}}"#)],
        &at_ease(&all),
        Ok(Step::Nothing),
    );
}
