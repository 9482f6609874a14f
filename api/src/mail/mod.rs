//! Mails to people: their words, and their way to the mail server ([decision 11](../../../docs/decisions/0011-mail.md)).
//!
//! Which events ask for one is in `chancery_projections::mails`; here a letter that waits is put into the language of its
//! reader, as text and as HTML, and sent.

mod de;
mod en;
pub mod requests;
pub mod sender;
#[cfg(test)]
mod tests;
mod words;

use askama::Template;
use chancery_projections::mails::Letter;

use self::words::{Language, Words};

/// A mail in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// What a letter needs to know beside itself.
#[derive(Clone, Copy, Debug)]
pub struct Circle<'a> {
    /// The instance's name.
    pub instance: &'a str,
    /// Where it is.
    pub url: &'a str,
    /// Whom the mail is for.
    pub name: &'a str,
    /// The letter's link, if it has one.
    pub link: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    language: &'static str,
    words: &'a Words,
    circle: Circle<'a>,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    words: &'a Words,
    circle: Circle<'a>,
}

/// # Errors
/// Those of the templates.
pub fn compose(letter: &Letter, locale: Option<&str>, circle: Circle<'_>) -> Result<Composed, askama::Error> {
    let language = Language::of(locale);
    let words = language.words(letter, circle);
    let html = Html { language: language.tag(), words: &words, circle }.render()?;
    let text = Text { words: &words, circle }.render()?;
    Ok(Composed { subject: words.subject, text, html })
}
