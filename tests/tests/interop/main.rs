//! Relying parties and a proxy that nobody here wrote. They run as processes of their own on loopback.

mod caddy;
mod openbao;
mod relying_party;

use chancery_tests::node::Person;
use chancery_tests::port::free_port;
use chancery_tests::server::Server;
use relying_party::RelyingParty;
use serde_json::{Value, json};

async fn setting(callbacks: &[&str], port: u16, settings: Value) -> (Server, Person, chancery_tests::node::Client) {
    let server = Server::live().await;
    let ada = server.person("ada").await;
    let callbacks: Vec<_> = callbacks.iter().map(|path| format!("http://127.0.0.1:{port}{path}")).collect();
    let mut all = json!({ "callbackURLs": callbacks });
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let client = server.client(&all).await;
    (server, ada, client)
}

#[tokio::test]
async fn openid_client_for_node_signs_in_and_refreshes() {
    for algorithm in ["RS256", "EdDSA"] {
        openid_client_signs_in_and_refreshes(algorithm).await;
    }
}

async fn openid_client_signs_in_and_refreshes(algorithm: &str) {
    let port = free_port();
    let settings = json!({ "pkceEnabled": true, "idTokenSigningAlg": algorithm });
    let (server, mut ada, client) = setting(&["/callback"], port, settings).await;
    let party = RelyingParty::node(&server, &client, port, algorithm).await;

    let told = party.sign_in(&mut ada, "/login").await.json();

    assert_eq!(told["claims"]["sub"], ada.id);
    assert_eq!(told["userinfo"]["email"], "ada@example.org");
    assert_eq!(told["claims"]["groups"], json!([]));
    assert_eq!(told["refreshed"]["sub"], ada.id);
}

#[tokio::test]
async fn mozilla_django_oidc_with_linkdings_settings_signs_in() {
    let port = free_port();
    let (server, mut ada, client) = setting(&["/oidc/callback/"], port, json!({})).await;
    let party = RelyingParty::django(&server, &client, port).await;

    let told = party.sign_in(&mut ada, "/oidc/authenticate/").await.json();

    assert_eq!(told, json!({ "username": "ada", "email": "ada@example.org" }));
}

#[tokio::test]
async fn goth_as_forgejo_and_opengist_use_it_signs_in() {
    let port = free_port();
    let (server, mut ada, client) = setting(&["/goth/callback"], port, json!({})).await;
    let party = RelyingParty::go(&server, &client, port).await;

    let told = party.sign_in(&mut ada, "/goth/login").await.json();

    assert_eq!(told["email"], "ada@example.org");
    assert_eq!(told["nickname"], "ada");
    assert_eq!(told["raw"]["groups"], json!([]));
}

#[tokio::test]
async fn go_oidc_as_coder_and_headscale_use_it_signs_in() {
    let port = free_port();
    let (server, mut ada, client) = setting(&["/go-oidc/callback"], port, json!({ "pkceEnabled": true })).await;
    let party = RelyingParty::go(&server, &client, port).await;

    let told = party.sign_in(&mut ada, "/go-oidc/login").await.json();

    assert_eq!(told["nonce"], "the-nonce");
    assert_eq!(told["sub"], ada.id);
    assert_eq!(told["claims"]["preferred_username"], "ada");
}

#[tokio::test]
async fn mod_auth_openidc_guards_a_site() {
    let port = free_port();
    let (server, mut ada, client) = setting(&["/vanity"], port, json!({ "pkceEnabled": true })).await;
    let party = RelyingParty::apache(&server, &client, port).await;

    let answer = party.sign_in(&mut ada, "/index.html").await;

    assert_eq!(answer.text.trim(), "guarded");
    assert_eq!(answer.header("x-remote-user"), "ada");
}

/// Proxmox uses this crate, and it parses discovery strictly.
#[tokio::test]
async fn openidconnect_for_rust_signs_in_by_every_algorithm() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        openidconnect_for_rust_signs_in(algorithm).await;
    }
}

async fn openidconnect_for_rust_signs_in(algorithm: &str) {
    use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
    use openidconnect::{
        AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse,
        PkceCodeChallenge, RedirectUrl, Scope, TokenResponse,
    };

    let settings = json!({ "pkceEnabled": true, "idTokenSigningAlg": algorithm });
    let (server, mut ada, client) = setting(&["/callback"], 1, settings).await;
    let http = |request: openidconnect::HttpRequest| relying_party::send(request);
    let issuer = IssuerUrl::new(server.issuer().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
    let (id, secret) = (ClientId::new(client.id.clone()), ClientSecret::new(client.secret.clone()));
    let party = CoreClient::from_provider_metadata(metadata, id, Some(secret))
        .set_redirect_uri(RedirectUrl::new(client.redirect_uri.clone()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = party
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email"].map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();

    let path = format!("{}?{}", url.path(), url.query().unwrap());
    let answer = relying_party::consented(&mut ada, &path).await.expect(303);
    assert_eq!(answer.parameter("state").as_ref(), Some(state.secret()));
    let code = AuthorizationCode::new(answer.parameter("code").unwrap());
    let tokens = party.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();

    let (verifier, token) = (party.id_token_verifier(), tokens.id_token().unwrap());
    let claims = token.claims(&verifier, &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), ada.id);
    let (signed_by, key) = (token.signing_alg().unwrap(), token.signing_key(&verifier).unwrap());
    assert_eq!(serde_json::to_value(signed_by).unwrap(), algorithm);
    let hash = AccessTokenHash::from_token(tokens.access_token(), signed_by, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash), "{algorithm}");
    let info: CoreUserInfoClaims =
        party.user_info(tokens.access_token().clone(), None).unwrap().request_async(&http).await.unwrap();
    assert_eq!(info.email().unwrap().as_str(), "ada@example.org");
}
