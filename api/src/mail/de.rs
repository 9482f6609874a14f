//! Mails in German.

use chancery_projections::mails::{Letter, Whence};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Circle;
use super::words::Words;

pub fn words(letter: &Letter, circle: Circle<'_>) -> Words {
    let Circle { instance, name, .. } = circle;
    let mut words = Words {
        subject: String::new(),
        greeting: format!("Hallo {name},"),
        says: Vec::new(),
        facts: Vec::new(),
        action: None,
        then: Vec::new(),
        why: format!("Du bekommst diese Mail, weil du ein Konto bei {instance} hast."),
    };
    let not_you =
        "Wenn du das nicht warst, melde dich überall ab, sieh deine Passkeys durch und sag es der Administration.";
    match letter {
        Letter::Invitation { expires_at, .. } => {
            words.subject = format!("Deine Einladung zu {instance}");
            words.says.push(format!("Du bist zu {instance} eingeladen."));
            words.says.push("Erstelle einen Passkey; von da an meldet er dich an: Ein Passwort gibt es nicht.".into());
            words.action = Some("Passkey erstellen");
            words.then.push(format!("Der Link gilt einmal, bis {}.", moment(*expires_at)));
            words.then.push("Wenn du das nicht erwartet hast, lass es liegen: Ohne dich geschieht nichts.".into());
            words.why = format!(
                "Du bekommst diese Mail, weil die Administration von {instance} deine Adresse eingetragen hat."
            );
        }
        Letter::RecoveryIssued { replace, expires_at } => {
            words.subject = format!("Ein Link zur Wiederherstellung deines Kontos bei {instance}");
            words.says.push(
                "Die Administration hat einen Link gemacht, mit dem ein neuer Passkey zu deinem Konto kommt.".into(),
            );
            if *replace {
                words
                    .says
                    .push("Wird er benutzt, enden alle deine anderen Passkeys, Anmeldungen und API-Schlüssel.".into());
            }
            words
                .says
                .push("Der Link steht nicht in dieser Mail: Du bekommst ihn von der Administration persönlich.".into());
            words.then.push(format!("Er gilt einmal, bis {}.", moment(*expires_at)));
            words.then.push("Wenn du nicht darum gebeten hast, sag es sofort der Administration.".into());
        }
        Letter::RecoveryUsed { whence } => {
            words.subject = format!("Ein Link zur Wiederherstellung wurde bei {instance} benutzt");
            words.says.push("Mit einem Link zur Wiederherstellung kam ein neuer Passkey zu deinem Konto.".into());
            words.facts = facts(whence);
            words.then.push("Wenn du das nicht warst, sag es sofort der Administration.".into());
        }
        Letter::NewSignIn { whence } => {
            words.subject = format!("Eine neue Anmeldung bei {instance}");
            words.says.push(
                "Jemand hat sich mit deinem Konto auf einem neuen Gerät oder an einem neuen Ort angemeldet.".into(),
            );
            words.facts = facts(whence);
            words.then.push("Wenn du das warst, ist nichts zu tun.".into());
            words.then.push(not_you.into());
        }
        Letter::PasskeyAdded { name, whence } => {
            words.subject = format!("Ein Passkey kam bei {instance} hinzu");
            words.says.push(format!("Der Passkey „{name}“ kann dich jetzt anmelden."));
            words.facts = facts(whence);
            words.then.push(not_you.into());
        }
        Letter::PasskeyRemoved { by_admin, at } => {
            words.subject = format!("Ein Passkey wurde bei {instance} entfernt");
            let by = if *by_admin { "Die Administration hat" } else { "Du hast" };
            words.says.push(format!("{by} einen deiner Passkeys entfernt. Er meldet dich nicht mehr an."));
            words.facts.push(("Wann", moment(*at)));
            let then = if *by_admin { "Wenn du das nicht erwartet hast, frag die Administration." } else { not_you };
            words.then.push(then.into());
        }
        Letter::PasskeySuspended { name, at } => {
            words.subject = format!("Wir haben einen deiner Passkeys bei {instance} gesperrt");
            let which =
                name.as_ref().map_or("Einer deiner Passkeys".to_owned(), |name| format!("Der Passkey „{name}“"));
            words.says.push(format!("{which} wurde vielleicht kopiert: Zwei Geräte scheinen ihn zu benutzen."));
            words.says.push("Er meldet niemanden an, bis die Administration ihn wieder zulässt.".into());
            words.facts.push(("Wann", moment(*at)));
            words.then.push("Nimm einen anderen Passkey und sag es der Administration.".into());
        }
        Letter::AddressChanged { to } => {
            words.subject = format!("Deine E-Mail-Adresse bei {instance} wurde geändert");
            words.says.push(match to {
                Some(to) => format!("Die E-Mail-Adresse deines Kontos ist jetzt {to}."),
                None => "Die E-Mail-Adresse deines Kontos wurde entfernt.".to_owned(),
            });
            words.then.push(not_you.into());
        }
        Letter::RefreshReused { app, whence } => {
            words.subject = format!("Wir haben {app} von deinem Konto bei {instance} abgemeldet");
            words.says.push(format!(
                "{app} hat ein Token von dir vorgelegt, das schon ersetzt war. Vielleicht hat es jemand kopiert; darum ist \
                 alles beendet, was {app} aus dieser Anmeldung hatte."
            ));
            words.facts = facts(whence);
            words.then.push(format!(
                "Um {app} weiter zu benutzen, melde dich dort neu an. Deine Passkeys sind, wie sie waren."
            ));
            words.then.push(format!(
                "Wenn es wieder geschieht, sag es der Administration: Vielleicht wurde gestohlen, was {app} aufbewahrt."
            ));
        }
        Letter::EmailVerification { expires_at, .. } => {
            words.subject = format!("Bestätige deine E-Mail-Adresse für {instance}");
            words.says.push("Bestätige, dass diese Adresse dir gehört.".into());
            words.action = Some("Adresse bestätigen");
            words.then.push(format!("Der Link gilt einmal, bis {}, solange du angemeldet bist.", moment(*expires_at)));
            words.then.push("Wenn du nicht darum gebeten hast, lass es liegen: Ohne dich geschieht nichts.".into());
        }
        Letter::Test => {
            words.subject = format!("Eine Testmail von {instance}");
            words.says.push("Mail von hier kommt an.".into());
        }
    }
    words
}

fn facts(whence: &Whence) -> Vec<(&'static str, String)> {
    let Whence { at, device, place, address } = whence.clone();
    let facts = [("Wann", Some(moment(at))), ("Gerät", device), ("Ort", place), ("Adresse", address)];
    facts.into_iter().filter_map(|(what, value)| value.map(|value| (what, value))).collect()
}

fn moment(at: OffsetDateTime) -> String {
    at.format(format_description!("[day].[month].[year], [hour]:[minute] UTC")).unwrap_or_default()
}
