use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::access_token::{grant_of, jti};
use super::claims::PersonClaims;
use super::discovery::metadata;
use super::id_token::id_token;
use super::logout::{Hint, post_logout_redirect, refused_redirect};
use crate::client::ClientSettings;
use crate::custom_claim::CustomClaim;
use crate::digest::Digest;
use crate::grant::Authorization;
use crate::ids::{GrantId, SessionId, UserId};
use crate::oauth::params::Params;
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::scope::Scopes;
use crate::policy::access::{Causes, ConsentCause, GroupCause, SessionCause};
use crate::signing_algorithm::SigningAlgorithm;

const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn ada() -> PersonClaims {
    let custom = [("team", "ops"), ("level", "3"), ("roles", r#"["a"]"#), ("nothing", "null"), ("name", "Mallory")];
    PersonClaims {
        sub: Uuid::from_u128(1).to_string(),
        username: "ada".into(),
        first_name: "Ada".into(),
        last_name: String::new(),
        display_name: "Ada L".into(),
        locale: None,
        picture: "https://id.example/ada.png".into(),
        updated_at: 1_763_899_200,
        email: Some("ada@example.org".into()),
        email_verified: true,
        groups: vec![],
        custom: custom.map(|(key, value)| CustomClaim { key: key.into(), value: value.into() }).to_vec(),
    }
}

fn released(scopes: &[&str]) -> Value {
    Value::Object(ada().released(&Scopes::known(scopes.iter().copied()), &[]))
}

#[test]
fn openid_core_5_4_scopes_release_their_claims_and_none_beyond() {
    assert_eq!(released(&["openid"]), json!({}));
    assert_eq!(released(&["email"]), json!({ "email": "ada@example.org", "email_verified": true }));
    assert_eq!(
        released(&["profile"]),
        json!({
            "name": "Ada L", "display_name": "Ada L", "given_name": "Ada", "preferred_username": "ada",
            "nickname": "ada", "picture": "https://id.example/ada.png", "updated_at": 1_763_899_200, "team": "ops", "level": 3, "roles": ["a"],
            "nothing": "null"
        })
    );
}

#[test]
fn openid_core_5_5_a_claim_is_released_by_its_name() {
    let released = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Value::Object(ada().released(&Scopes::known(["openid"]), &names))
    };

    assert_eq!(released(&["name", "level", "acr", "nobody_has_it"]), json!({ "name": "Ada L", "level": 3 }));
    assert_eq!(released(&["email"]), json!({ "email": "ada@example.org" }));
}

#[test]
fn openid_core_5_1_standard_claims_are_texts_whatever_they_look_like() {
    let custom = [("birthdate", "1815"), ("phone_number", "5550100"), ("nickname", "true"), ("zoneinfo", "[]")];
    // One that was set before its type was checked does not go out.
    let custom = custom.into_iter().chain([("phone_number_verified", "yes")]);
    let custom = custom.map(|(key, value)| CustomClaim { key: key.into(), value: value.into() }).collect();
    let names = ["birthdate", "phone_number", "nickname", "zoneinfo", "phone_number_verified"].map(str::to_owned);

    assert_eq!(
        Value::Object(PersonClaims { custom, ..ada() }.released(&Scopes::default(), &names)),
        json!({ "birthdate": "1815", "phone_number": "5550100", "nickname": "true", "zoneinfo": "[]" })
    );
}

#[test]
fn groups_are_an_array_even_of_none_and_one() {
    assert_eq!(released(&["groups"]), json!({ "groups": [] }));
    let member = PersonClaims { groups: vec!["editors".into()], ..ada() };
    assert_eq!(Value::Object(member.released(&Scopes::known(["groups"]), &[])), json!({ "groups": ["editors"] }));
}

#[test]
fn without_an_address_there_is_no_email_claim() {
    let without = PersonClaims { email: None, ..ada() };
    assert_eq!(Value::Object(without.released(&Scopes::known(["email"]), &[])), json!({}));
}

fn authorization() -> Authorization {
    Authorization {
        user_id: UserId(Uuid::from_u128(1)),
        client_id: "wiki".parse().unwrap(),
        session_id: SessionId(Uuid::from_u128(2)),
        code: Digest::of("code"),
        redirect_uri: "https://wiki.example/cb".into(),
        scopes: Scopes::known(["openid", "email"]),
        nonce: Some("the-nonce".into()),
        code_challenge: None,
        authenticated_at: NOON - time::Duration::MINUTE,
        acr: "phr".into(),
        amr: vec!["pop".into()],
        claims: vec![],
        code_expires_at: NOON,
        ends_at: NOON,
        causes: Causes { session: SessionCause::Live, group: GroupCause::Unrestricted, consent: ConsentCause::Given },
    }
}

#[test]
fn openid_core_2_the_id_token() {
    let token = |authorization: &Authorization, minimal| {
        // The access token of OpenID Connect Core appendix A.3, and its at_hash of A.4.
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        let client = ClientSettings { minimal_id_token: minimal, ..ClientSettings::named("Wiki") };
        let (issuer, scopes) = ("https://id.example", &authorization.scopes);
        id_token(issuer, &client, authorization, scopes, &ada(), access_token, NOON)
    };
    let noon = NOON.unix_timestamp();
    let mut expected = json!({
        "iss": "https://id.example", "sub": Uuid::from_u128(1), "aud": "wiki", "iat": noon, "exp": noon + 3600,
        "auth_time": noon - 60, "acr": "phr", "amr": ["pop"], "sid": Uuid::from_u128(2), "nonce": "the-nonce",
        "at_hash": "77QmUPtjPfzWtF2AnpK9RQ", "email": "ada@example.org", "email_verified": true
    });
    assert_eq!(token(&authorization(), false), expected);
    for person in ["email", "email_verified"] {
        expected.as_object_mut().unwrap().remove(person);
    }
    assert_eq!(token(&authorization(), true), expected, "a minimal one says nothing of the person");
    expected.as_object_mut().unwrap().remove("nonce");
    assert_eq!(token(&Authorization { nonce: None, ..authorization() }, true), expected);
}

#[test]
fn openid_core_3_1_3_6_at_hash_goes_with_the_algorithm_that_signs() {
    let at_hash = |id_token_algorithm| {
        let client = ClientSettings { id_token_algorithm, ..ClientSettings::named("Wiki") };
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        let (authorization, scopes) = (authorization(), Scopes::known(["openid"]));
        let token = id_token("https://id.example", &client, &authorization, &scopes, &ada(), access_token, NOON);
        token["at_hash"].clone()
    };

    assert_eq!(at_hash(SigningAlgorithm::RS256), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_eq!(at_hash(SigningAlgorithm::ES256), "77QmUPtjPfzWtF2AnpK9RQ");
    assert_eq!(
        at_hash(SigningAlgorithm::EdDSA),
        "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM",
        "SHA-512, as Ed25519 itself"
    );
}

#[test]
fn custom_claims_never_displace_the_tokens_own() {
    let custom = ["iss", "sub", "aud", "exp", "nonce", "at_hash", "sid"];
    let custom = custom.map(|key| CustomClaim { key: key.into(), value: "forged".into() }).to_vec();
    let (person, scopes) = (PersonClaims { custom, ..ada() }, Scopes::known(["openid", "profile"]));
    let client = ClientSettings::named("Wiki");
    let token = id_token("https://id.example", &client, &authorization(), &scopes, &person, "token", NOON);
    assert!(token.as_object().unwrap().values().all(|value| value != "forged"), "{token}");
}

#[test]
fn an_access_token_names_its_grant() {
    let grant = GrantId(Uuid::from_u128(7));
    let jti = jti(grant, Uuid::from_u128(8));
    assert_eq!(grant_of(&jti), Some(grant));
    for wrong in ["", "x", &jti[1..], jti.split('.').next().unwrap(), &format!("{jti}.x")] {
        assert_eq!(grant_of(wrong), None, "{wrong}");
    }
}

#[test]
fn discovery_offers_what_there_is() {
    let metadata = metadata("https://id.example");
    assert_eq!(metadata["issuer"], "https://id.example");
    for (endpoint, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/api/oidc/token"),
        ("userinfo_endpoint", "/api/oidc/userinfo"),
        ("jwks_uri", "/.well-known/jwks.json"),
        ("end_session_endpoint", "/api/oidc/end-session"),
    ] {
        assert_eq!(metadata[endpoint], format!("https://id.example{path}"));
    }
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256", "ES256", "EdDSA"]));
    assert_eq!(metadata["request_parameter_supported"], false);
    let own = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"];
    let person = PersonClaims { custom: vec![], last_name: "L".into(), locale: Some("sv".into()), ..ada() };
    let told = person.released(&Scopes::known(["profile", "email", "groups"]), &[]);
    let mut all: Vec<&str> = own.into_iter().chain(told.keys().map(String::as_str)).collect();
    let mut offered: Vec<&str> =
        metadata["claims_supported"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    all.sort_unstable();
    offered.sort_unstable();
    assert_eq!(offered, all, "claims_supported");
}

#[test]
fn rp_initiated_logout_leads_only_where_a_registration_allows() {
    let uri = "https://wiki.example/bye";
    let registered = RedirectUri::register(uri, false).unwrap();
    let client = ClientSettings { post_logout_redirect_uris: vec![registered], ..ClientSettings::named("Wiki") };
    let params = |pairs: &[(&str, &str)]| {
        Params::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    };
    let plain = params(&[("post_logout_redirect_uri", uri)]);
    let with_state = params(&[("post_logout_redirect_uri", uri), ("state", "a b")]);
    let elsewhere = params(&[("post_logout_redirect_uri", "https://evil.example/bye")]);

    assert_eq!(post_logout_redirect(&plain, Some(&client)).as_deref(), Some(uri));
    let location = "https://wiki.example/bye?state=a+b";
    assert_eq!(post_logout_redirect(&with_state, Some(&client)).as_deref(), Some(location));
    assert_eq!(post_logout_redirect(&plain, None), None);
    assert_eq!(post_logout_redirect(&elsewhere, Some(&client)), None);
    assert_eq!(post_logout_redirect(&params(&[]), Some(&client)), None);

    assert!(refused_redirect(&elsewhere, None));
    assert!(!refused_redirect(&plain, Some(uri)));
    assert!(!refused_redirect(&params(&[]), None), "nothing was asked for");
}

#[test]
fn a_hint_names_the_session_it_was_issued_in_or_all_of_its_person() {
    let (ada, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
    let (here, elsewhere) = (SessionId(Uuid::from_u128(3)), SessionId(Uuid::from_u128(4)));
    let hint = |session| Hint { user: ada, client: "wiki".parse().unwrap(), session };

    assert!(hint(Some(here)).names(ada, here));
    assert!(!hint(Some(elsewhere)).names(ada, here));
    assert!(hint(None).names(ada, here));
    assert!(!hint(None).names(bob, here) && !hint(Some(here)).names(bob, here));
}
