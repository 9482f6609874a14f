//! Text that people enter: one spelling of it is kept, within bounds, and what is wrong with it is told by its field.

use unicode_normalization::UnicodeNormalization;

/// What is wrong with one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// As the API calls it.
    pub field: &'static str,
    pub code: &'static str,
    pub message: &'static str,
}

/// The one spelling of what looks the same (Unicode Normalization Form C), without blanks around it.
pub fn normalized(text: &str) -> String {
    text.trim().nfc().collect()
}

/// How long a text may be, in characters.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub field: &'static str,
    pub least: usize,
    pub most: usize,
    /// The bounds, for people.
    pub says: &'static str,
}

impl Bounds {
    /// The text as it is kept.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, text: &str) -> Result<String, FieldError> {
        let text = normalized(text);
        match self.check(&text) {
            None => Ok(text),
            Some(error) => Err(error),
        }
    }

    /// What is wrong with a text, if anything is.
    pub fn check(&self, text: &str) -> Option<FieldError> {
        let (code, message) = match text.chars().count() {
            0 if self.least > 0 => ("required", "is required"),
            length if length < self.least => ("too_short", self.says),
            length if length > self.most => ("too_long", self.says),
            _ if text.chars().any(char::is_control) => ("invalid_format", "holds characters that cannot be shown"),
            _ => return None,
        };
        Some(FieldError { field: self.field, code, message })
    }
}

/// All that is wrong, as one clause of a sentence.
pub fn clauses(errors: &[FieldError]) -> String {
    errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_in_one_spelling_and_each_fault_has_its_code() {
        let name = Bounds { field: "name", least: 2, most: 5, says: "has 2 to 5 characters" };
        assert_eq!(name.read(" Cafe\u{301} "), Ok("Caf\u{e9}".to_owned()));
        for (text, code) in [
            ("", "required"),
            ("  ", "required"),
            ("a", "too_short"),
            ("abcdef", "too_long"),
            ("a\tb", "invalid_format"),
        ] {
            let error = name.read(text).unwrap_err();
            assert_eq!((error.field, error.code), ("name", code), "{text:?}");
        }
        assert_eq!(Bounds { least: 0, ..name }.read(""), Ok(String::new()), "what may be left out");
    }
}
