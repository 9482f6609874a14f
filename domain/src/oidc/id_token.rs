//! The ID token (OpenID Connect Core §2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256, Sha512};
use time::OffsetDateTime;

use super::claims::PersonClaims;
use crate::client::ClientSettings;
use crate::grant::Authorization;
use crate::oauth::scope::Scopes;
use crate::signing_algorithm::SigningAlgorithm;

/// Seconds that an ID token can be used to sign in at the client.
const LIFETIME: i64 = 3_600;

/// # Parameters
/// `access_token` is the one issued beside it, for `at_hash` (§3.1.3.6). The client's settings say which algorithm will
/// sign, and whether the person's claims are left to the UserInfo endpoint (§5.4).
pub fn id_token(
    issuer: &str,
    client: &ClientSettings,
    authorization: &Authorization,
    scopes: &Scopes,
    person: &PersonClaims,
    access_token: &str,
    now: OffsetDateTime,
) -> Value {
    let mut claims = if client.minimal_id_token { Map::new() } else { person.released(scopes, &authorization.claims) };
    let own = json!({
        "iss": issuer,
        "sub": person.sub,
        "aud": authorization.client_id.as_str(),
        "iat": now.unix_timestamp(),
        "exp": now.unix_timestamp() + LIFETIME,
        "auth_time": authorization.authenticated_at.unix_timestamp(),
        "acr": authorization.acr,
        "amr": authorization.amr,
        "sid": authorization.session_id,
        "at_hash": at_hash(access_token, client.id_token_algorithm),
    });
    if let Value::Object(own) = own {
        claims.extend(own);
    }
    if let Some(nonce) = &authorization.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    Value::Object(claims)
}

/// OpenID Connect Core §3.1.3.6: the left half of the digest that the algorithm has inside. Ed25519 has SHA-512 (RFC 8032
/// §5.1), and that is what verifiers compute (OpenID Connect working group, issue 1125).
fn at_hash(access_token: &str, algorithm: SigningAlgorithm) -> String {
    match algorithm {
        SigningAlgorithm::RS256 | SigningAlgorithm::ES256 => {
            URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16])
        }
        SigningAlgorithm::EdDSA => URL_SAFE_NO_PAD.encode(&Sha512::digest(access_token)[..32]),
    }
}
