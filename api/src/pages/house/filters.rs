//! What a history is searched for: a form whose answer is the same page.

use askama::Template;
use askama::filters::HtmlSafe;

use super::form::Choice;

#[derive(Clone, Debug, Default, Template)]
#[template(path = "house/filters.html")]
pub struct Filters {
    pub path: String,
    pub text: String,
    /// Empty where nobody else can be chosen.
    pub people: Vec<Choice>,
    pub apps: Vec<Choice>,
    pub kinds: Vec<Choice>,
    pub places: Vec<Choice>,
    pub from: String,
    pub to: String,
    pub any: bool,
}

impl HtmlSafe for Filters {}
