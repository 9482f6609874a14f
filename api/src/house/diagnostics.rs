//! `/admin/diagnostics`: how the visitor's address was found, for this very request.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::context::Place;

use super::frame::{Steward, frame, place};
use super::places;
use crate::app::App;
use crate::config::TrustProxy;
use crate::http::remote::{End, ToldBy, Walk};
use crate::pages::house::{Diagnostics, Header, Hop, Notice, Room, Tone};
use crate::pages::render::page;

pub async fn show(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Extension(walk): Extension<Walk>,
    headers: HeaderMap,
) -> Response {
    page(&Diagnostics {
        frame: frame(&app, &signed_in, Room::Diagnostics),
        address: walk.address.to_string(),
        place: whereabouts(&app.geo.place(walk.address)),
        hops: hops(&app, &walk),
        advice: advice(&app, &walk, &headers),
        headers: shown_headers(&app, &walk, &headers),
        places: places::facts(&app),
    })
}

fn whereabouts(found: &Place) -> String {
    match found {
        Place::Internal { network } => format!("{network}, an internal address"),
        Place::Unknown => "its place is not known".to_owned(),
        Place::Found { city, country_name, accuracy_radius, .. } => {
            let name = place(city.as_deref(), country_name.as_deref());
            match accuracy_radius {
                Some(radius) => format!("{name}, within {radius} km"),
                None => name,
            }
        }
    }
}

fn hops(app: &App, walk: &Walk) -> Vec<Hop> {
    let last = walk.hops.len() - 1;
    let hop = |(index, hop): (usize, &crate::http::remote::Hop)| {
        let (tone, verdict) = match (&hop.end, hop.is_trusted) {
            (End::Nonsense(_), _) => (Tone::Stop, "no address, so the hop before it counts"),
            (_, false) => (Tone::Good, "not a proxy you trust, so this is the visitor"),
            (End::UnixSocket, true) => (Tone::Mind, "who may open it is trusted"),
            (_, true) if index == last => (Tone::Mind, "a proxy you trust, and the last that is known"),
            (_, true) => (Tone::Mind, "a proxy you trust"),
        };
        let told_by = match hop.told_by {
            ToldBy::Connection => "The connection",
            ToldBy::ProxyProtocol => "PROXY protocol",
            ToldBy::Header => app.config.address_header.name(),
        };
        let address = match &hop.end {
            End::Address(address) => address.to_string(),
            End::UnixSocket => "Unix socket".to_owned(),
            End::Nonsense(text) => format!("“{text}”"),
        };
        Hop { told_by: told_by.to_owned(), address, tone, verdict: verdict.to_owned() }
    };
    walk.hops.iter().enumerate().map(hop).collect()
}

/// Headers that proxies are known to set, in the order in which people look for them.
const SHOWN: &[&str] = &[
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "Via",
    "Host",
];

fn shown_headers(app: &App, walk: &Walk, headers: &HeaderMap) -> Vec<Header> {
    let counting = app.config.address_header.name();
    let own = Some(counting).filter(|name| !SHOWN.iter().any(|shown| shown.eq_ignore_ascii_case(name)));
    let mut rows = Vec::new();
    for name in SHOWN.iter().copied().chain(own) {
        let values: Vec<String> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        if values.is_empty() {
            continue;
        }
        let is_address_header = name.eq_ignore_ascii_case(counting);
        let counts = is_address_header && walk.peer_is_trusted;
        let says = match (is_address_header, counts) {
            (_, true) => "It comes from a proxy you trust.",
            (true, false) => "It does not come from a proxy you trust.",
            (false, false) => "Addresses of pages come from APP_URL, the visitor’s from TRUSTED_PLATFORM alone.",
        };
        let value = values.join(", ").chars().take(500).collect();
        rows.push(Header { name: name.to_owned(), value, counts, says: says.to_owned() });
    }
    rows
}

fn advice(app: &App, walk: &Walk, headers: &HeaderMap) -> Vec<Notice> {
    let mut advice = Vec::new();
    let header = app.config.address_header.name();
    let peer = walk.hops.first().map(|hop| &hop.end);
    if let Some(End::Address(peer)) = peer
        && !walk.peer_is_trusted
        && (headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded"))
    {
        advice.push(Notice::mind(format!(
            "This request came through {peer}, which TRUST_PROXY does not name. If that is your proxy, set \
             TRUST_PROXY={peer}, or every visitor has its address."
        )));
    }
    if walk.peer_is_trusted && walk.hops.len() == 1 && app.config.trust_proxy != TrustProxy::Everybody {
        advice.push(Notice::mind(format!(
            "Your proxy does not tell the visitor’s address in {header}. Let it set that header, or name another in \
             TRUSTED_PLATFORM."
        )));
    }
    if app.config.trust_proxy == TrustProxy::Everybody {
        advice.push(Notice::mind(
            "TRUST_PROXY=true believes the address that anyone claims. Name your proxy’s address instead.",
        ));
    }
    let scheme = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    if let Some(scheme) = scheme
        && walk.peer_is_trusted
        && scheme != app.config.app_url.scheme()
    {
        advice.push(Notice::mind(format!(
            "Your proxy was asked over {}, but APP_URL begins with {}. Passkeys and cookies work at APP_URL only.",
            if scheme == "http" { "http" } else { "another scheme" },
            app.config.app_url.scheme()
        )));
    }
    advice
}
