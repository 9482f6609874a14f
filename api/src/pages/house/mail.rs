//! `/admin/mail`: the mail server, a test, and what became of the latest mails. The test posts to `test`.

use askama::Template;

use super::frame::{Frame, Tone};
use super::parts::When;

#[derive(Clone, Debug, Template)]
#[template(path = "house/mail.html")]
pub struct MailPage {
    pub frame: Frame,
    /// None of them: mail is off.
    pub settings: Vec<(&'static str, String)>,
    /// Where a test mail would go.
    pub own_address: Option<String>,
    pub letters: Vec<Letter>,
}

#[derive(Clone, Debug)]
pub struct Letter {
    pub tone: Tone,
    pub state: &'static str,
    pub about: &'static str,
    pub to: String,
    pub address: String,
    pub at: When,
    /// What the mail server said.
    pub failure: Option<String>,
}
