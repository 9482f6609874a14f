//! The form for custom claims, which apps receive beside the standard ones (OpenID Connect Core §5.1.2).
//!
//! Posts `seen` (what it was filled in from), `key` and `value`, repeated and in pairs; pairs that are empty are dropped, the rest replaces what was there.

use askama::Template;
use askama::filters::HtmlSafe;

#[derive(Clone, Debug, Template)]
#[template(path = "house/claims.html")]
pub struct ClaimsForm {
    pub action: String,
    pub seen: String,
    pub claims: Vec<ClaimRow>,
    /// Keys in use elsewhere.
    pub suggestions: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct ClaimRow {
    pub key: String,
    pub value: String,
    pub wrong: Option<String>,
}

impl ClaimsForm {
    /// The claims, and room for two more.
    fn rows(&self) -> Vec<ClaimRow> {
        let mut rows = self.claims.clone();
        rows.extend([ClaimRow::default(), ClaimRow::default()]);
        rows
    }
}

impl HtmlSafe for ClaimsForm {}
