//! `/admin/diagnostics`: how the visitor's address was found, for this very request.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chancery_domain::context::Place;

use super::attempts;
use super::frame::{Page, Steward, frame, place, shown};
use super::places;
use crate::app::App;
use crate::config::TrustProxy;
use crate::http::remote::{End, ToldBy, Walk};
use crate::http::session::SignedIn;
use crate::pages::house::{Diagnostics, Header, Hop, Notice, Room, Tone};
use crate::pages::render::page;

pub async fn show(
    State(app): State<App>,
    Steward(signed_in): Steward,
    Extension(walk): Extension<Walk>,
    headers: HeaderMap,
) -> Response {
    shown(&app, diagnostics(&app, &signed_in, &walk, &headers).await)
}

async fn diagnostics(app: &App, signed_in: &SignedIn, walk: &Walk, headers: &HeaderMap) -> Page {
    Ok(page(&Diagnostics {
        frame: frame(app, signed_in, Room::Diagnostics),
        address: walk.address.to_string(),
        place: whereabouts(&app.geo.place(walk.address)),
        hops: hops(app, walk),
        advice: advice(app, walk, headers),
        headers: shown_headers(app, walk, headers),
        failed: attempts::failed(app).await?,
        places: places::facts(app),
    }))
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

/// Headers in which proxies tell an address, and others that they set, in the order in which people look for them.
const ADDRESS_HEADERS: &[&str] = &["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"];
const OTHER_HEADERS: &[&str] = &["X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Host", "Via"];

fn shown_headers(app: &App, walk: &Walk, headers: &HeaderMap) -> Vec<Header> {
    let counting = app.config.address_header.name();
    let own = Some(counting).filter(|name| !ADDRESS_HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let names = own.into_iter().chain(ADDRESS_HEADERS.iter().copied()).chain(OTHER_HEADERS.iter().copied());
    names.filter_map(|name| shown_header(name, counting, walk, headers)).collect()
}

fn shown_header(name: &str, counting: &str, walk: &Walk, headers: &HeaderMap) -> Option<Header> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let value = values.collect::<Vec<_>>().join(", ");
    if value.is_empty() {
        return None;
    }
    let counts = name.eq_ignore_ascii_case(counting) && walk.peer_is_trusted;
    let says = if counts {
        "A proxy you trust sent it.".to_owned()
    } else if name.eq_ignore_ascii_case(counting) {
        "Nobody you trust sent it.".to_owned()
    } else if OTHER_HEADERS.contains(&name) {
        "Links and the issuer come from APP_URL alone.".to_owned()
    } else {
        format!("Addresses come from {counting} alone.")
    };
    Some(Header { name: name.to_owned(), value: value.chars().take(500).collect(), counts, says })
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
