//! The desk: one sheet in the middle, for sign-in, consent, enrollment, errors and what else asks one thing.
//!
//! Every struct holds display-ready texts. Ids on things to press are stable, for tests: `#sign-in`, `#reauthenticate`,
//! `#allow`, `#cancel`, `#enroll`, `#add-passkey`, `#skip`, `#continue`, `#switch`, `#confirm`, `#error`, `#signed-out`.

use askama::Template;

/// The same on each sheet.
#[derive(Clone, Debug)]
pub struct Frame {
    pub instance_name: String,
    pub issuer: String,
    pub host: String,
    pub mark: String,
    pub chancery_css: String,
    pub ceremony_js: String,
    pub form_post_js: String,
}

#[derive(Template)]
#[template(path = "desk/sign_in.html")]
pub struct SignIn {
    pub frame: Frame,
    pub app: Option<String>,
    pub next: String,
    /// Where help is, and from there the way back.
    pub help: String,
}

/// A step-up.
#[derive(Template)]
#[template(path = "desk/reauthenticate.html")]
pub struct Reauthenticate {
    pub frame: Frame,
    pub person: String,
    pub why: String,
    pub next: String,
    pub cancel: Cancel,
}

/// What whoever cancels does.
pub enum Cancel {
    /// They go back to a page of ours.
    Leads(String),
    /// They do not allow what an app asks for, which it is told.
    Answers { interaction: String },
}

#[derive(Template)]
#[template(path = "desk/select_account.html")]
pub struct SelectAccount {
    pub frame: Frame,
    pub person: String,
    pub app: Option<String>,
    pub interaction: String,
}

#[derive(Template)]
#[template(path = "desk/consent.html")]
pub struct Consent {
    pub frame: Frame,
    pub app: String,
    pub letter: String,
    /// The host that will receive it.
    pub destination: String,
    pub claims: Vec<Claim>,
    pub person: String,
    pub not_you: String,
    pub interaction: String,
}

/// What an app will receive.
pub struct Claim {
    pub what: String,
    pub value: String,
}

impl Claim {
    pub fn new(what: &str, value: impl Into<String>) -> Self {
        Self { what: what.to_owned(), value: value.into() }
    }
}

#[derive(Template)]
#[template(path = "desk/enroll.html")]
pub struct Enroll {
    pub frame: Frame,
    pub heading: String,
    pub says: String,
    /// The first administrator says who they are.
    pub asks_profile: bool,
    /// The id of the link that this page is about.
    pub link: String,
    pub expires: String,
}

#[derive(Template)]
#[template(path = "desk/enroll_second.html")]
pub struct EnrollSecond {
    pub frame: Frame,
    pub says: String,
}

/// A sheet that says something and offers one way on: errors, "signed out", help.
#[derive(Template)]
#[template(path = "desk/message.html")]
pub struct Message {
    pub frame: Frame,
    /// The element's id, which tells tests what kind of sheet it is.
    pub id: &'static str,
    pub heading: String,
    pub says: Vec<String>,
    pub request_id: Option<String>,
    pub action: Option<Action>,
}

pub struct Action {
    pub label: String,
    pub href: String,
    pub posts: bool,
    pub members: Vec<Member>,
}

/// A hidden member of a form.
pub struct Member {
    pub name: String,
    pub value: String,
}

/// Form Post Response Mode: the parameters go to the app by a form that submits itself.
#[derive(Template)]
#[template(path = "desk/form_post.html")]
pub struct FormPost {
    pub frame: Frame,
    pub action: String,
    pub members: Vec<Member>,
}
