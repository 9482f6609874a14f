//! The form that takes a picture, and the one that takes it away again. Both post below the page: `picture`,
//! `picture/remove`.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::Portrait;

#[derive(Clone, Debug, Template)]
#[template(path = "house/picture_form.html")]
pub struct PictureForm {
    /// The path of the page.
    pub page: String,
    pub portrait: Portrait,
    /// What is wrong with the file that was chosen.
    pub wrong: Option<String>,
}

impl HtmlSafe for PictureForm {}
