//! OpenID Connect Discovery 1.0, RFC 8414, RFC 7517; conformance 1 to 10.

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
    assert!(metadata.get("registration_endpoint").is_none());
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
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}
