//! The content of form controls: what was entered, and what is wrong with it.

/// A text control's value, beside the sentence that says why it was refused.
#[derive(Clone, Debug, Default)]
pub struct Field {
    pub value: String,
    pub wrong: Option<String>,
}

/// One of several: an option of a list, or a box to tick.
#[derive(Clone, Debug)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

impl Field {
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), wrong: None }
    }

    pub fn refused(value: impl Into<String>, wrong: impl Into<String>) -> Self {
        Self { value: value.into(), wrong: Some(wrong.into()) }
    }
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>, chosen: bool) -> Self {
        Self { value: value.into(), label: label.into(), chosen }
    }
}
