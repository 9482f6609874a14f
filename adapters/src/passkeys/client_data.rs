//! The client data (WebAuthn Level 3 §5.8.1): what the library does not look at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery_domain::ports::passkeys::PasskeyFailure;
use serde_json::Value;

const MAX_LENGTH: usize = 8_192;

/// A ceremony inside another site's frame is refused, at sign-in as at registration (§7.2 step 14 leaves it to us).
///
/// # Errors
/// [`PasskeyFailure::CrossOrigin`], or [`PasskeyFailure::Malformed`].
pub(super) fn check(response: &Value) -> Result<(), PasskeyFailure> {
    let text = response.pointer("/response/clientDataJSON").and_then(Value::as_str);
    let text = text.filter(|text| text.len() <= MAX_LENGTH).ok_or(PasskeyFailure::Malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| PasskeyFailure::Malformed)?;
    let data: Value = serde_json::from_slice(&bytes).map_err(|_| PasskeyFailure::Malformed)?;
    let framed = match data.get("crossOrigin") {
        None | Some(Value::Bool(false)) => false,
        Some(_) => true,
    };
    if framed || data.get("topOrigin").is_some() {
        return Err(PasskeyFailure::CrossOrigin);
    }
    Ok(())
}
