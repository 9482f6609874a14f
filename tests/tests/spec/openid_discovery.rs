//! OpenID Connect Discovery 1.0, RFC 8414, RFC 7517; conformance 1 to 10.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_tests::server::Server;
use serde_json::json;

#[tokio::test]
async fn c01_both_well_known_documents_are_the_same_and_name_the_issuer_byte_for_byte() {
    let server = Server::start().await;

    let openid = server.visitor().get("/.well-known/openid-configuration").await.expect(200);
    let oauth = server.visitor().get("/.well-known/oauth-authorization-server").await.expect(200);

    assert_eq!(openid.header("content-type"), "application/json");
    assert_eq!(openid.header("access-control-allow-origin"), "*");
    assert_eq!(openid.json(), oauth.json());
    let metadata = openid.json();
    let issuer = server.issuer();
    assert_eq!(metadata["issuer"], issuer);
    for (name, value) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            assert!(value.as_str().unwrap().starts_with(&format!("{issuer}/")), "{name}");
        }
    }
}

#[tokio::test]
async fn c03_to_c10_only_what_is_offered_is_listed() {
    let server = Server::start().await;

    let metadata = server.visitor().get("/.well-known/openid-configuration").await.json();

    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["response_modes_supported"], json!(["query", "form_post"]));
    let grants = json!(["authorization_code", "refresh_token", "client_credentials"]);
    assert_eq!(metadata["grant_types_supported"], grants);
    assert_eq!(metadata["subject_types_supported"], json!(["public"]));
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256", "ES256", "EdDSA"]));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["scopes_supported"], json!(["openid", "profile", "email", "groups", "offline_access"]));
    assert_eq!(metadata["acr_values_supported"], json!(["phr"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert_eq!(metadata["request_parameter_supported"], false);
    assert_eq!(metadata["request_uri_parameter_supported"], false);
    assert_eq!(metadata["claims_parameter_supported"], true);
    assert_eq!(metadata["end_session_endpoint"], format!("{}/api/oidc/end-session", server.issuer()));
    for absent in [
        "registration_endpoint",
        "backchannel_logout_supported",
        "frontchannel_logout_supported",
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "dpop_signing_alg_values_supported",
    ] {
        assert!(metadata.get(absent).is_none(), "{absent}");
    }
}

/// The registries of OpenID Connect Discovery 1.0 §3, RFC 8414 §2, RFC 9207 §3 and OpenID Connect Prompt Create 1.0 §4.1.
#[tokio::test]
async fn c06_every_name_in_the_metadata_is_registered() {
    let server = Server::start().await;
    let registered = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "introspection_endpoint",
        "end_session_endpoint",
        "scopes_supported",
        "response_types_supported",
        "response_modes_supported",
        "grant_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_methods_supported",
        "code_challenge_methods_supported",
        "authorization_response_iss_parameter_supported",
        "claims_supported",
        "claims_parameter_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "prompt_values_supported",
        "acr_values_supported",
        "ui_locales_supported",
    ];

    let metadata = server.visitor().get("/.well-known/openid-configuration").await.expect(200).json();

    for name in metadata.as_object().unwrap().keys() {
        assert!(registered.contains(&name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn c04_every_key_is_public_and_says_what_it_is_for() {
    let server = Server::start().await;

    let keys = server.visitor().get("/.well-known/jwks.json").await.expect(200).json();

    let keys = keys["keys"].as_array().unwrap();
    let mut kids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), keys.len(), "every kid is unique");
    let mut algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, ["ES256", "EdDSA", "RS256"]);
    for key in keys {
        assert_eq!(key["use"], "sig");
        if let Some(modulus) = key["n"].as_str() {
            assert!(URL_SAFE_NO_PAD.decode(modulus).unwrap().len() >= 2048 / 8);
        }
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}
