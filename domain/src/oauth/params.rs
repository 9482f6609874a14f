//! The parameters of a request, before anything is believed (RFC 6749 §3.1 and §3.2).

use super::error::OAuthError;

/// Parameters beyond this many are refused.
const MAX_PARAMS: usize = 100;
/// A value longer than this many bytes is refused.
const MAX_VALUE: usize = 8_192;

/// Name and value pairs as they came. The border between HTTP and the protocol: past it, anything can be tested with a
/// list of pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The value of a parameter. "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749
    /// §3.1).
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The others.
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(key, _)| key != name).cloned().collect())
    }

    /// All of them as a query, in their order.
    pub fn to_query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// Whether NUL is anywhere, which no parameter may hold (RFC 6749 Appendix A) and no database takes.
    pub fn hold_nul(&self) -> bool {
        self.0.iter().any(|(name, value)| name.contains('\0') || value.contains('\0'))
    }

    /// "Request and response parameters MUST NOT be included more than once" (RFC 6749 §3.1).
    ///
    /// # Errors
    /// `invalid_request` for a repeated name, too many parameters, or a value that is too long.
    pub fn check(&self) -> Result<(), OAuthError> {
        if self.0.len() > MAX_PARAMS {
            return Err(OAuthError::invalid_request("there are too many parameters"));
        }
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(OAuthError::invalid_request("a parameter is there more than once"));
        }
        if self.0.iter().any(|(_, value)| value.len() > MAX_VALUE) {
            return Err(OAuthError::invalid_request("a parameter is too long"));
        }
        Ok(())
    }
}
