//! `/account/apps`: the apps that one lets in, what each receives, and the way to take it back, asked at
//! `{client_id}/withdraw`.

use askama::Template;

use super::frame::Frame;
use super::parts::When;

#[derive(Clone, Debug, Template)]
#[template(path = "house/apps.html")]
pub struct Apps {
    pub frame: Frame,
    pub apps: Vec<App>,
}

#[derive(Clone, Debug)]
pub struct App {
    pub client_id: String,
    pub name: String,
    pub letter: String,
    /// A checked `http` or `https` address.
    pub launch_url: Option<String>,
    /// "Name", "E-mail", "Groups".
    pub receives: Vec<String>,
    pub since: When,
    pub last_used: Option<When>,
}
