//! Small parts that several pages show; each escapes what it holds, and may so be put into a page as it is.

use askama::Template;
use askama::filters::HtmlSafe;

/// A moment: words for people, and the same moment for machines (HTML §4.5.14).
#[derive(Clone, Debug, Template)]
#[template(ext = "html", source = r#"<time datetime="{{ iso }}">{{ says }}</time>"#)]
pub struct When {
    pub says: String,
    pub iso: String,
}

/// Somebody's picture, or their first letter where there is none. It stands beside the name, so that it is not read out.
#[derive(Clone, Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% if let Some(picture) = picture %}<img class="icon" src="{{ picture }}" alt="" width="40" height="40">{% else %}<div class="icon initial" aria-hidden="true">{{ letter }}</div>{% endif %}"#
)]
pub struct Portrait {
    pub picture: Option<String>,
    pub letter: String,
}

/// A number from the record.
#[derive(Clone, Debug)]
pub struct Figure {
    pub label: String,
    pub value: String,
    pub href: Option<String>,
}

/// Where one is in a list that has several pages.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "house/pages.html")]
pub struct Pages {
    says: String,
    previous: Option<PageLink>,
    next: Option<PageLink>,
}

#[derive(Clone, Debug)]
struct PageLink {
    label: &'static str,
    href: String,
}

/// A secret that is shown this once, to be copied.
#[derive(Clone, Debug, Template)]
#[template(path = "house/revealed.html")]
pub struct Revealed {
    pub label: String,
    pub value: String,
    pub says: String,
}

impl When {
    pub fn new(says: impl Into<String>, iso: impl Into<String>) -> Self {
        Self { says: says.into(), iso: iso.into() }
    }
}

impl Pages {
    /// The pages of a list, such as "1–20 of 134".
    pub fn numbered(says: impl Into<String>, previous: Option<String>, next: Option<String>) -> Self {
        Self { says: says.into(), previous: link("Previous", previous), next: link("Next", next) }
    }

    /// The pages of the roll, which has its newest entry first and no last page to count to.
    #[must_use]
    pub fn by_time(newer: Option<String>, older: Option<String>) -> Self {
        Self { says: String::new(), previous: link("Newer", newer), next: link("Older", older) }
    }
}

fn link(label: &'static str, href: Option<String>) -> Option<PageLink> {
    href.map(|href| PageLink { label, href })
}

impl HtmlSafe for When {}
impl HtmlSafe for Portrait {}
impl HtmlSafe for Pages {}
impl HtmlSafe for Revealed {}
