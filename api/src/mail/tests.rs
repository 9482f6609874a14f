use chancery_domain::ids::{EmailVerificationId, EnrollmentId};
use chancery_projections::mails::Whence;
use time::macros::datetime;
use uuid::Uuid;

use super::*;

const LINK: &str = "https://id.example.org/enroll/AZq7w0m1dTq0u9i3kF1s2eXJ8c4y5b6n7m8k9j0h1g2";

fn all(say: &str) -> Vec<Letter> {
    let at = datetime!(2026-11-23 12:00 UTC);
    let whence = Whence {
        at,
        device: Some("Firefox on Linux".to_owned()),
        place: Some(format!("Stockholm{say}, SE")),
        address: Some("203.0.113.7".to_owned()),
    };
    vec![
        Letter::Invitation { enrollment_id: EnrollmentId(Uuid::nil()), expires_at: at },
        Letter::RecoveryIssued { replace: true, expires_at: at },
        Letter::RecoveryUsed { whence: whence.clone() },
        Letter::NewSignIn { whence: whence.clone() },
        Letter::PasskeyAdded { name: format!("YubiKey 5C{say}"), whence: whence.clone() },
        Letter::RefreshReused { app: format!("Wiki{say}"), whence },
        Letter::PasskeyRemoved { by_admin: true, at },
        Letter::PasskeySuspended { name: Some(format!("YubiKey 5C{say}")), at },
        Letter::AddressChanged { to: Some(format!("ada@example.org{say}")) },
        Letter::EmailVerification { verification_id: EmailVerificationId(Uuid::nil()), expires_at: at },
        Letter::Test,
    ]
}

fn composed(letter: &Letter, locale: Option<&str>, say: &str) -> Composed {
    let (instance, name) = (format!("Hearth{say}"), format!("Ada{say}"));
    let circle = Circle { instance: &instance, url: "https://id.example.org", name: &name, link: Some(LINK) };
    compose(letter, locale, circle).unwrap()
}

#[test]
fn every_language_says_every_letter_as_text_and_as_html() {
    for locale in [None, Some("de"), Some("fr-FR")] {
        for letter in all("") {
            let mail = composed(&letter, locale, "");
            assert!(!mail.subject.is_empty() && !mail.subject.contains('\n'), "{mail:?}");
            let has_link = matches!(letter, Letter::Invitation { .. } | Letter::EmailVerification { .. });
            for part in [&mail.text, &mail.html] {
                assert!(part.contains("Ada") && part.contains("Hearth"), "{part}");
                assert_eq!(part.contains(LINK), has_link, "{part}");
            }
        }
    }
}

#[test]
fn german_is_another_language_and_what_nobody_has_written_is_english() {
    for letter in all("") {
        assert_ne!(composed(&letter, Some("de_CH"), ""), composed(&letter, None, ""));
        assert_eq!(composed(&letter, Some("xx"), ""), composed(&letter, None, ""));
    }
}

#[test]
fn in05_hostile_text_stays_text() {
    let hostile = "{{7*7}}</p><img src=x onerror=alert(1)><a href=\"https://evil.example\">";
    for locale in [None, Some("de")] {
        for letter in all(hostile) {
            let mail = composed(&letter, locale, hostile);
            assert!(mail.text.contains(hostile), "{}", mail.text);
            assert!(!mail.html.contains("<img") && !mail.html.contains("evil.example\">"), "{}", mail.html);
            assert!(mail.html.contains("{{7*7}}&#60;/p&#62;"), "{}", mail.html);
        }
    }
}

/// Writes every mail into the folder that `PAGES_PREVIEW` names, to be looked at in a browser.
#[test]
fn mails_can_be_looked_at() {
    let Some(folder) = std::env::var_os("PAGES_PREVIEW") else { return };
    for (nth, letter) in all("").iter().enumerate() {
        let path = std::path::PathBuf::from(&folder).join(format!("mail-{nth}.html"));
        std::fs::write(path, composed(letter, None, "").html).unwrap();
    }
}
