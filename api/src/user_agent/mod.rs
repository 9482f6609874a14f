//! The browser and system behind a `User-Agent` text, in words for people: "Firefox on Linux" (RFC 9110 §10.1.5).
//!
//! Display only: whoever sends the text chooses it. The words come from the lists below, never from the text itself.

#[cfg(test)]
mod tests;

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAgent {
    browser: Option<&'static str>,
    system: Option<&'static str>,
    pub shape: Shape,
}

/// What the thing in front of the person looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Computer,
    Phone,
    Tablet,
    /// A program without a browser, or none that we know.
    Program,
}

impl UserAgent {
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mentions = |word: &&str| text.contains(word);
        // Every browser since 1994 opens with Mozilla; Opera's older releases with their own name.
        let speaks_as_browser = text.starts_with("Mozilla/") || text.starts_with("Opera/");
        if !speaks_as_browser || ROBOTS.iter().any(mentions) {
            return Self { browser: None, system: None, shape: Shape::Program };
        }
        let system = named(SYSTEMS, text);
        let browser = if is_embedded(text, system) { None } else { named(BROWSERS, text) };
        let system = match system {
            // On iPads, browsers ask for desktop pages and call themselves a Macintosh; only the others' names give it away.
            Some("macOS") if ["CriOS/", "FxiOS/", "EdgiOS/"].iter().any(mentions) => Some("iPadOS"),
            other => other,
        };
        let shape = match (browser, system) {
            (_, Some("iOS")) => Shape::Phone,
            (_, Some("iPadOS")) => Shape::Tablet,
            (_, Some("Android")) if text.contains("Mobile") => Shape::Phone,
            (_, Some("Android")) => Shape::Tablet,
            (None, None) => Shape::Program,
            (_, _) => Shape::Computer,
        };
        Self { browser, system, shape }
    }
}

impl fmt::Display for UserAgent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let browser = self.browser.unwrap_or("An app");
        match self.system {
            Some(system) => write!(formatter, "{browser} on {system}"),
            None => formatter.write_str(browser),
        }
    }
}

/// A page inside another app: Android marks its web view, Apple's leaves out the `Safari/` token.
fn is_embedded(text: &str, system: Option<&str>) -> bool {
    match system {
        Some("Android") => text.contains("; wv)"),
        Some("iOS" | "iPadOS" | "macOS") => text.contains("AppleWebKit/") && !text.contains("Safari/"),
        _ => false,
    }
}

fn named(list: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    list.iter().find(|(token, _)| text.contains(token)).map(|(_, name)| *name)
}

/// Browsers built on another one keep its token, so theirs is looked for first.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPX/", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Epiphany/", "GNOME Web"),
    ("Safari/", "Safari"),
    ("MSIE ", "Internet Explorer"),
    ("Trident/", "Internet Explorer"),
];

/// Android names Linux too, and iPhones say "like Mac OS X".
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iOS"),
    ("iPod", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("Linux", "Linux"),
    ("X11", "Linux"),
];

const ROBOTS: &[&str] =
    &["bot/", "Bot/", "bot;", "Bot;", "spider", "Spider", "crawler", "Crawler", "facebookexternalhit"];
