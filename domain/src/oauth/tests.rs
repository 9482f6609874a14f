use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use super::authorization_response::{ResponseMode, ReturnAddress};
use super::client_authentication::presented_client;
use super::error::{ErrorCode, OAuthError};
use super::params::Params;
use super::pkce::CodeChallenge;
use super::redirect_uri::{InvalidRedirectUri, RedirectUri, find};
use super::scope::Scopes;
use super::token_value::{code, parse_code, parse_refresh_token, refresh_token};
use crate::digest::Digest;
use crate::ids::GrantId;

fn params(pairs: &[(&str, &str)]) -> Params {
    Params::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn uri(text: &str) -> RedirectUri {
    RedirectUri::register(text, true).unwrap()
}

#[test]
fn redirect_uris_that_apps_use_can_be_registered() {
    for text in [
        "https://wiki.example/cb",
        "https://wiki.example:8443/cb?tenant=a&x=%20",
        "http://localhost:8080/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:9000/cb",
        "com.example.app:/oauth2redirect",
        "app.immich:///oauth-callback",
        "audiobookshelf://oauth",
    ] {
        assert_eq!(RedirectUri::register(text, false).unwrap().as_str(), text);
    }
}

#[test]
fn ru_redirect_uris_that_lead_astray_cannot_be_registered() {
    use InvalidRedirectUri::{Credentials, DangerousScheme, Fragment, Insecure, Malformed, NotAbsolute, Wildcard};
    let long = format!("https://wiki.example/{}", "x".repeat(2_000));
    for (text, why) in [
        ("/cb", NotAbsolute),
        ("wiki.example/cb", NotAbsolute),
        ("https://", NotAbsolute),
        ("https://wiki.example/cb#top", Fragment),
        ("https://wiki.example/cb#", Fragment),
        ("https://ada@wiki.example/cb", Credentials),
        ("https://ada:secret@wiki.example/cb", Credentials),
        ("https://@wiki.example/cb", Credentials),
        ("https://*.wiki.example/cb", Wildcard),
        ("https://wiki.example/*", Wildcard),
        ("javascript:alert(1)", DangerousScheme),
        ("JavaScript:alert(1)", DangerousScheme),
        ("data:text/html,x", DangerousScheme),
        ("file:///etc/passwd", DangerousScheme),
        ("http://wiki.example/cb", Insecure),
        ("http://127.0.0.1.wiki.example/cb", Insecure),
        ("https://wiki.example\\@evil.example/cb", Malformed),
        ("https://wiki.example/c b", Malformed),
        ("https://wiki.example/\u{202e}bc", Malformed),
        ("https://wiki.example/cb\n", Malformed),
        (&long, Malformed),
    ] {
        assert_eq!(RedirectUri::register(text, false), Err(why), "{text}");
    }
    assert!(RedirectUri::register("http://wiki.example/cb", true).is_ok(), "where the operator allows it");
}

#[test]
fn ru_redirect_uris_are_compared_character_by_character() {
    let registered = uri("https://wiki.example/cb");
    assert!(registered.matches("https://wiki.example/cb"));
    for other in [
        "https://wiki.example/cb/",
        "https://wiki.example/CB",
        "https://WIKI.example/cb",
        "https://wiki.example:443/cb",
        "https://wiki.example/cb?x=1",
        "https://wiki.example/cb#x",
        "https://wiki.example/./cb",
        "https://wiki.example/%63b",
        "http://wiki.example/cb",
        "https://wiki.example.evil.example/cb",
        "https://evil.example/?https://wiki.example/cb",
        "",
    ] {
        assert!(!registered.matches(other), "{other}");
    }
}

#[test]
fn rfc8252_a_literal_loopback_address_may_have_any_port() {
    for (registered, requested, matches) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:54321/cb", true),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb", true),
        ("http://[::1]/cb", "http://[::1]:54321/cb", true),
        ("http://127.0.0.1/cb", "http://127.0.0.1:54321/other", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false),
        ("http://127.0.0.1/cb", "https://127.0.0.1:54321/cb", false),
        ("http://127.0.0.1/cb", "http://[::1]:54321/cb", false),
        ("http://127.0.0.1/cb", "http://127.1:54321/cb", false),
        ("http://localhost/cb", "http://localhost:54321/cb", false),
    ] {
        assert_eq!(uri(registered).matches(requested), matches, "{registered} {requested}");
    }
}

#[test]
fn the_first_of_several_that_matches_is_found() {
    let registered = [uri("https://a.example/cb"), uri("https://b.example/cb")];
    assert_eq!(find(&registered, "https://b.example/cb"), Some(&registered[1]));
    assert_eq!(find(&registered, "https://c.example/cb"), None);
}

#[test]
fn rfc7636_appendix_b() {
    let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Some("S256")).unwrap();
    assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    for wrong in ["", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk="] {
        assert!(!challenge.is_met_by(wrong), "{wrong}");
    }
}

#[test]
fn a_challenge_is_s256_and_43_characters() {
    let sound = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    for (challenge, method) in [
        (sound, None),
        (sound, Some("plain")),
        (sound, Some("s256")),
        (&sound[1..], Some("S256")),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c+", Some("S256")),
        ("", Some("S256")),
    ] {
        let error = CodeChallenge::parse(challenge, method).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest, "{challenge} {method:?}");
    }
}

#[test]
fn a_verifier_has_43_to_128_characters() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::Digest as _;
    for (length, met) in [(42, false), (43, true), (128, true), (129, false)] {
        let verifier = "a".repeat(length);
        let challenge = URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&verifier));
        assert_eq!(CodeChallenge::parse(&challenge, Some("S256")).unwrap().is_met_by(&verifier), met, "{length}");
    }
}

#[test]
fn scopes_are_known_ordered_and_once() {
    let scopes = Scopes::parse("email  openid email unheard-of").unwrap();
    assert_eq!(scopes.to_string(), "openid email");
    assert_eq!(Scopes::parse("").unwrap(), Scopes::default());
    assert_eq!(serde_json::to_value(&scopes).unwrap(), json!(["openid", "email"]));
    for text in ["open\"id", "open\\id", "opénid", &"x".repeat(2_001)] {
        assert_eq!(Scopes::parse(text).unwrap_err().code, ErrorCode::InvalidScope, "{text}");
    }
}

#[test]
fn parameters_come_once_and_empty_ones_not_at_all() {
    assert_eq!(params(&[("scope", ""), ("state", "x")]).value("scope"), None);
    assert_eq!(params(&[("state", "x")]).check(), Ok(()));
    let many: Vec<_> = (0..101).map(|n| (n.to_string(), "x".to_owned())).collect();
    for wrong in [
        params(&[("state", "x"), ("state", "x")]),
        params(&[("unheard-of", ""), ("unheard-of", "x")]),
        params(&[("state", &"x".repeat(8_193))]),
        Params::new(many),
    ] {
        assert_eq!(wrong.check().unwrap_err().code, ErrorCode::InvalidRequest);
    }
}

/// What a client presented, as id and secret.
fn presented(header: Option<&str>, pairs: &[(&str, &str)]) -> Result<(String, Option<String>), OAuthError> {
    let client = presented_client(header, &params(pairs))?;
    Ok((client.client_id.to_string(), client.secret.map(|secret| secret.expose().clone())))
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

#[test]
fn a_client_authenticates_by_header_or_body_or_not_at_all() {
    let wiki = |secret: Option<&str>| Ok(("wiki".to_owned(), secret.map(str::to_owned)));
    assert_eq!(presented(Some(&basic("wiki:s")), &[]), wiki(Some("s")));
    assert_eq!(presented(Some(&basic("wiki:s").replace("Basic", "bAsIc")), &[("client_id", "wiki")]), wiki(Some("s")));
    assert_eq!(presented(Some(&basic("wiki:")), &[]), wiki(None));
    assert_eq!(presented(None, &[("client_id", "wiki"), ("client_secret", "s")]), wiki(Some("s")));
    assert_eq!(presented(None, &[("client_id", "wiki")]), wiki(None));
}

#[test]
fn rfc6749_2_3_1_both_halves_are_form_urlencoded() {
    let decoded = presented(Some(&basic("wiki:a%2Bb%3Ac+d%25")), &[]).unwrap();
    assert_eq!(decoded.1.as_deref(), Some("a+b:c d%"));
}

#[test]
fn ca_one_way_of_authentication_only() {
    let header = basic("wiki:s");
    for pairs in [&[("client_secret", "s")][..], &[("client_id", "other")]] {
        assert_eq!(presented(Some(&header), pairs).unwrap_err().code, ErrorCode::InvalidRequest);
    }
}

#[test]
fn what_is_no_credential_fails_as_a_wrong_one_does() {
    let [huge, nul, half, id] =
        ["x".repeat(5_000), "wiki:%00".into(), "wiki:%4".into(), "a b:s".into()].map(|c| basic(&c));
    let headers = ["", "Basic", "Basic !!!", "Bearer x", &basic("no colon"), &huge, &nul, &half, &id];
    for header in headers {
        assert_eq!(presented(Some(header), &[]), Err(OAuthError::invalid_client()), "{header}");
    }
    assert_eq!(presented(None, &[]), Err(OAuthError::invalid_client()));
    assert_eq!(presented(None, &[("client_id", "a b")]), Err(OAuthError::invalid_client()));
}

#[test]
fn cr06_codes_and_refresh_tokens_have_one_spelling() {
    let grant = GrantId(Uuid::from_u128(7));
    let the_code = code(grant, &[5; 32]);
    assert_eq!(parse_code(&the_code), Some((grant, Digest::of(&the_code))));
    let the_token = refresh_token(grant, 258, &[5; 32]);
    let parsed = parse_refresh_token(&the_token).unwrap();
    assert_eq!((parsed.grant, parsed.generation, parsed.digest), (grant, 258, Digest::of(&the_token)));
    for spoiled in [format!("{the_code}="), format!("{the_code}A"), the_code[1..].to_owned(), format!(" {the_code}")] {
        assert_eq!(parse_code(&spoiled), None, "{spoiled}");
    }
    let bare = the_token.strip_prefix("chr_").unwrap();
    for spoiled in [format!("{the_token}="), bare.to_owned(), format!("chr_chr_{bare}"), the_token.to_uppercase()] {
        assert_eq!(parse_refresh_token(&spoiled), None, "{spoiled}");
    }
}

#[test]
fn rfc9207_every_answer_names_its_issuer() {
    let address = |redirect_uri: &str| ReturnAddress {
        redirect_uri: redirect_uri.into(),
        mode: ResponseMode::Query,
        state: Some("a b&c".into()),
    };
    let code = address("https://wiki.example/cb").code("xyz".into(), "https://id.example");
    let location = "https://wiki.example/cb?code=xyz&state=a+b%26c&iss=https%3A%2F%2Fid.example#";
    assert_eq!(code.location(), location);
    let error = OAuthError::new(ErrorCode::AccessDenied, "no");
    let error = address("https://wiki.example/cb?tenant=a").error(error, "https://id.example");
    let location = "https://wiki.example/cb?tenant=a&error=access_denied&error_description=no&state=a+b%26c\
                    &iss=https%3A%2F%2Fid.example#";
    assert_eq!(error.location(), location);
}

#[test]
fn az16_a_fragment_of_the_request_is_not_carried_over_to_a_page_of_the_web() {
    let location = |redirect_uri: &str| {
        let address = ReturnAddress { redirect_uri: redirect_uri.into(), mode: ResponseMode::Query, state: None };
        address.code("x".into(), "i").location()
    };
    assert_eq!(location("https://wiki.example/cb"), "https://wiki.example/cb?code=x&iss=i#");
    assert_eq!(location("http://127.0.0.1:1/cb?a"), "http://127.0.0.1:1/cb?a&code=x&iss=i#");
    assert_eq!(location("app.immich:///oauth-callback"), "app.immich:///oauth-callback?code=x&iss=i");
}

#[test]
fn without_a_state_none_goes_back() {
    let address = ReturnAddress { redirect_uri: "app:/cb".into(), mode: ResponseMode::FormPost, state: None };
    let names: Vec<_> = address.code("x".into(), "i").parameters.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["code", "iss"]);
}
