use super::*;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example.org";

fn ring(algorithm: SigningAlgorithm) -> Keyring {
    let made = generate(algorithm).unwrap();
    let pair = SigningPair::parse(algorithm, made.pkcs8.expose()).unwrap();
    let keyring = Keyring::default();
    let key = KeyringKey {
        kid: made.kid,
        algorithm,
        status: KeyStatus::Active,
        public_jwk: made.public_jwk,
        pair: Some(Arc::new(pair)),
    };
    keyring.replace(vec![key]).unwrap();
    keyring
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ada", "exp": NOW + 60, "iat": NOW })
}

fn expected(typ: &str) -> Expected<'_> {
    Expected { typ, issuer: ISSUER, now: NOW, allow_expired: false }
}

#[test]
fn each_algorithm_signs_what_it_verifies() {
    for algorithm in SigningAlgorithm::ALL {
        let ring = ring(algorithm);

        let token = ring.sign(algorithm, "JWT", &claims()).unwrap();

        assert_eq!(ring.verify(&token, expected("JWT")), Ok(claims()), "{algorithm}");
    }
}

#[test]
fn jk02_the_key_set_holds_public_members_only() {
    for algorithm in SigningAlgorithm::ALL {
        let jwks = ring(algorithm).jwks();
        let key = jwks["keys"][0].as_object().unwrap();

        assert!(["d", "p", "q", "dp", "dq", "qi", "k"].iter().all(|member| !key.contains_key(*member)));
        assert_eq!(key["use"], "sig");
        assert_eq!(key["alg"], algorithm.as_str());
        assert!(key.contains_key("kid"));
    }
}

#[test]
fn a_remembered_token_is_held_to_all_but_its_signature() {
    let ring = ring(SigningAlgorithm::ES256);

    let token = ring.sign_and_remember(SigningAlgorithm::ES256, "at+jwt", &claims()).unwrap();

    assert_eq!(ring.verify(&token, expected("at+jwt")), Ok(claims()));
    assert_eq!(ring.verify(&token, expected("JWT")), Err(TokenInvalid::WrongType));
    let later = Expected { now: NOW + 60, ..expected("at+jwt") };
    assert_eq!(ring.verify(&token, later), Err(TokenInvalid::Expired));
    let (rest, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{rest}.{}", URL_SAFE_NO_PAD.encode([0; 64]));
    assert_eq!(ring.verify(&forged, expected("at+jwt")), Err(TokenInvalid::BadSignature));
}

#[test]
fn jk04_a_remembered_token_goes_with_its_key() {
    let keyring = ring(SigningAlgorithm::ES256);
    let token = keyring.sign_and_remember(SigningAlgorithm::ES256, "at+jwt", &claims()).unwrap();

    keyring.replace(Vec::new()).unwrap();

    assert_eq!(keyring.verify(&token, expected("at+jwt")), Err(TokenInvalid::UnknownKey));
}

#[test]
fn jk01_a_token_of_one_purpose_is_refused_for_another() {
    let ring = ring(SigningAlgorithm::ES256);
    let token = ring.sign(SigningAlgorithm::ES256, "at+jwt", &claims()).unwrap();

    assert_eq!(ring.verify(&token, expected("JWT")), Err(TokenInvalid::WrongType));
    assert_eq!(ring.verify(&token, expected("logout+jwt")), Err(TokenInvalid::WrongType));
}

#[test]
fn a_token_of_another_ring_an_altered_one_and_an_unsigned_one_are_refused() {
    let (ours, theirs) = (ring(SigningAlgorithm::ES256), ring(SigningAlgorithm::ES256));
    let foreign = theirs.sign(SigningAlgorithm::ES256, "JWT", &claims()).unwrap();
    let token = ours.sign(SigningAlgorithm::ES256, "JWT", &claims()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(json!({ "iss": ISSUER, "sub": "eve", "exp": NOW + 60 }).to_string());
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);

    assert_eq!(ours.verify(&foreign, expected("JWT")), Err(TokenInvalid::UnknownKey));
    let altered = [parts[0], &other, parts[2]].join(".");
    assert_eq!(ours.verify(&altered, expected("JWT")), Err(TokenInvalid::BadSignature));
    assert!(ours.verify(&[&none, parts[1], ""].join("."), expected("JWT")).is_err());
    assert!(ours.verify(&token[..token.len() - 4], expected("JWT")).is_err());
}

#[test]
fn a_tokens_header_does_not_choose_the_algorithm() {
    let ring = ring(SigningAlgorithm::RS256);
    let kid = ring.jwks()["keys"][0]["kid"].clone();
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "typ": "JWT", "kid": kid }).to_string());
    let body = URL_SAFE_NO_PAD.encode(claims().to_string());

    assert_eq!(ring.verify(&format!("{header}.{body}.AAAA"), expected("JWT")), Err(TokenInvalid::BadSignature));
}

#[test]
fn issuer_and_expiry_are_checked_and_a_hint_may_be_old() {
    let ring = ring(SigningAlgorithm::EdDSA);
    let token = ring.sign(SigningAlgorithm::EdDSA, "JWT", &claims()).unwrap();
    let late = Expected { now: NOW + 60, ..expected("JWT") };

    assert_eq!(ring.verify(&token, late), Err(TokenInvalid::Expired));
    assert!(ring.verify(&token, Expected { allow_expired: true, ..late }).is_ok());
    let other = Expected { issuer: "https://id.example.org/", ..expected("JWT") };
    assert_eq!(ring.verify(&token, other), Err(TokenInvalid::WrongIssuer));
}

#[test]
fn jk06_times_of_other_types_and_repeated_members_are_refused() {
    let ring = ring(SigningAlgorithm::EdDSA);
    for time in ["exp", "iat", "nbf"] {
        for spoiled in
            [json!("1800000060"), json!(1_800_000_060.5), json!(-1), json!(null), json!([NOW + 60]), json!(1e300)]
        {
            let mut claims = claims();
            claims[time] = spoiled.clone();
            let token = ring.sign(SigningAlgorithm::EdDSA, "JWT", &claims).unwrap();
            assert!(ring.verify(&token, expected("JWT")).is_err(), "{time}: {spoiled}");
        }
    }
    let twice = format!(r#"{{"iss":"{ISSUER}","exp":1,"exp":{}}}"#, NOW + 60);
    assert_eq!(strict::claims(&format!("h.{}.s", URL_SAFE_NO_PAD.encode(twice))), None);
}

#[test]
fn a_staged_or_retired_key_does_not_sign() {
    for status in [KeyStatus::Staged, KeyStatus::Retired] {
        let made = generate(SigningAlgorithm::ES256).unwrap();
        let pair = SigningPair::parse(SigningAlgorithm::ES256, made.pkcs8.expose()).unwrap();
        let keyring = Keyring::default();
        let key = KeyringKey {
            kid: made.kid,
            algorithm: SigningAlgorithm::ES256,
            status,
            public_jwk: made.public_jwk,
            pair: Some(Arc::new(pair)),
        };
        keyring.replace(vec![key]).unwrap();

        let signed = keyring.sign(SigningAlgorithm::ES256, "JWT", &claims());

        assert_eq!(signed, Err(SigningError::NoActiveKey(SigningAlgorithm::ES256)));
    }
}
