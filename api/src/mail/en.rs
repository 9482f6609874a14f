//! Mails in English.

use chancery_projections::mails::{Letter, Whence};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Circle;
use super::words::Words;

pub fn words(letter: &Letter, circle: Circle<'_>) -> Words {
    let Circle { instance, name, .. } = circle;
    let mut words = Words {
        subject: String::new(),
        greeting: format!("Hello {name},"),
        says: Vec::new(),
        facts: Vec::new(),
        action: None,
        then: Vec::new(),
        why: format!("You get this mail because you have an account at {instance}."),
    };
    let not_you = "If this was not you, sign out everywhere, look through your passkeys, and tell your administrator.";
    match letter {
        Letter::Invitation { expires_at, .. } => {
            words.subject = format!("Your invitation to {instance}");
            words.says.push(format!("You have been invited to {instance}."));
            words.says.push("Create a passkey, and from then on it signs you in: there is no password.".into());
            words.action = Some("Create your passkey");
            words.then.push(format!("The link works once, until {}.", moment(*expires_at)));
            words.then.push("If you did not expect this, leave it: nothing happens without you.".into());
            words.why = format!("You get this mail because an administrator of {instance} entered your address.");
        }
        Letter::RecoveryIssued { replace, expires_at } => {
            words.subject = format!("A recovery link for your account at {instance}");
            words
                .says
                .push("An administrator made a link with which a new passkey can be added to your account.".into());
            if *replace {
                words.says.push("When it is used, all your other passkeys, sessions and API keys end.".into());
            }
            words.says.push("The link is not in this mail: the administrator gives it to you in person.".into());
            words.then.push(format!("It can be used once, until {}.", moment(*expires_at)));
            words.then.push("If you did not ask for it, tell your administrator at once.".into());
        }
        Letter::RecoveryUsed { whence } => {
            words.subject = format!("A recovery link was used at {instance}");
            words.says.push("A new passkey was added to your account with a recovery link.".into());
            words.facts = facts(whence);
            words.then.push("If this was not you, tell your administrator at once.".into());
        }
        Letter::NewSignIn { whence } => {
            words.subject = format!("A new sign-in to {instance}");
            words.says.push("Somebody signed in to your account on a device or at a place that is new.".into());
            words.facts = facts(whence);
            words.then.push("If this was you, there is nothing to do.".into());
            words.then.push(not_you.into());
        }
        Letter::PasskeyAdded { name, whence } => {
            words.subject = format!("A passkey was added at {instance}");
            words.says.push(format!("The passkey “{name}” can now sign you in."));
            words.facts = facts(whence);
            words.then.push(not_you.into());
        }
        Letter::PasskeyRemoved { by_admin, at } => {
            words.subject = format!("A passkey was removed at {instance}");
            let by = if *by_admin { "An administrator" } else { "You" };
            words.says.push(format!("{by} removed one of your passkeys. It no longer signs you in."));
            words.facts.push(("When", moment(*at)));
            let then = if *by_admin { "If you did not expect this, ask your administrator." } else { not_you };
            words.then.push(then.into());
        }
        Letter::PasskeySuspended { name, at } => {
            words.subject = format!("We stopped one of your passkeys at {instance}");
            let which = name.as_ref().map_or("One of your passkeys".to_owned(), |name| format!("The passkey “{name}”"));
            words.says.push(format!("{which} may have been copied: two devices seem to use it."));
            words.says.push("It does not sign anybody in until an administrator allows it again.".into());
            words.facts.push(("When", moment(*at)));
            words.then.push("Use another passkey, and tell your administrator.".into());
        }
        Letter::AddressChanged { to } => {
            words.subject = format!("Your e-mail address at {instance} was changed");
            words.says.push(match to {
                Some(to) => format!("The e-mail address of your account is now {to}."),
                None => "The e-mail address of your account was removed.".to_owned(),
            });
            words.then.push(not_you.into());
        }
        Letter::RefreshReused { app, whence } => {
            words.subject = format!("We signed {app} out of your account at {instance}");
            words.says.push(format!(
                "{app} presented a token of yours that had been replaced. Somebody may have copied it, so everything that \
                 {app} held from that sign-in has ended."
            ));
            words.facts = facts(whence);
            words.then.push(format!("To go on using {app}, sign in to it again. Your passkeys are as they were."));
            words.then.push(format!("If it happens again, tell your administrator: what {app} keeps may be stolen."));
        }
        Letter::EmailVerification { expires_at, .. } => {
            words.subject = format!("Confirm your e-mail address for {instance}");
            words.says.push("Confirm that this address is yours.".into());
            words.action = Some("Confirm this address");
            words.then.push(format!("The link works once, until {}, while you are signed in.", moment(*expires_at)));
            words.then.push("If you did not ask for it, leave it: nothing happens without you.".into());
        }
        Letter::Test => {
            words.subject = format!("A test mail from {instance}");
            words.says.push("Mail from here arrives.".into());
        }
    }
    words
}

fn facts(whence: &Whence) -> Vec<(&'static str, String)> {
    let Whence { at, device, place, address } = whence.clone();
    let facts = [("When", Some(moment(at))), ("Device", device), ("Place", place), ("Address", address)];
    facts.into_iter().filter_map(|(what, value)| value.map(|value| (what, value))).collect()
}

fn moment(at: OffsetDateTime) -> String {
    at.format(format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC"))
        .unwrap_or_default()
}
