//! How a client proves who it is (RFC 6749 §2.3): Basic, secret in the body, or, for public clients, not at all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::OAuthError;
use super::params::Params;
use crate::ids::ClientId;
use crate::secret::Secret;

/// Longer `Authorization` values are refused unread.
const MAX_HEADER: usize = 4_096;

/// What a client presented.
#[derive(Clone, Debug)]
pub struct PresentedClient {
    pub client_id: ClientId,
    /// None for a client that presents no secret (`none`).
    pub secret: Option<Secret<String>>,
}

/// Reads the client's credentials from the `Authorization` header and the body.
///
/// # Errors
/// `invalid_client` where nothing usable is there, `invalid_request` where two methods are used at once (RFC 6749 §2.3:
/// "The client MUST NOT use more than one authentication method in each request").
pub fn presented_client(authorization: Option<&str>, params: &Params) -> Result<PresentedClient, OAuthError> {
    let in_body = params.value("client_id");
    let Some(header) = authorization else {
        let client_id = in_body.ok_or_else(OAuthError::invalid_client)?;
        let client_id = client_id.parse().map_err(|_| OAuthError::invalid_client())?;
        let secret = params.value("client_secret").map(|secret| Secret::new(secret.to_owned()));
        return Ok(PresentedClient { client_id, secret });
    };
    let (client_id, secret) = basic(header).ok_or_else(OAuthError::invalid_client)?;
    if params.value("client_secret").is_some() {
        return Err(OAuthError::invalid_request("use one way of client authentication only"));
    }
    if in_body.is_some_and(|id| id != client_id) {
        return Err(OAuthError::invalid_request("client_id differs from the Authorization header"));
    }
    let client_id = client_id.parse().map_err(|_| OAuthError::invalid_client())?;
    // An empty secret is no secret: a public client may send its id alone this way.
    Ok(PresentedClient { client_id, secret: Some(secret).filter(|secret| !secret.is_empty()).map(Secret::new) })
}

/// RFC 7617, each half form-urlencoded (RFC 6749 §2.3.1). The scheme's name has any case.
fn basic(header: &str) -> Option<(String, String)> {
    if header.len() > MAX_HEADER {
        return None;
    }
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

/// Ids and secrets made here hold only characters that mean the same decoded or not, so clients that forget to encode
/// are right too.
fn form_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(rest.next()?)? * 16 + digit(rest.next()?)?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}
