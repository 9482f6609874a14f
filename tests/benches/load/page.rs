//! The weight of the sign-in page: everything that a browser fetches for it, compressed as it is sent.

use std::collections::BTreeSet;

use crate::http::Connection;

const GZIP: &str = "Accept-Encoding: gzip\r\n";

pub async fn weigh(base: &str) {
    let mut connection = Connection::open(base).await;
    // Compressed answers have no length known beforehand: the weight is that of one connection's bytes.
    let plain = connection.get("/login", "").await.expect(200);
    let text = String::from_utf8(plain.body).unwrap();
    let mut parts: BTreeSet<String> = references(&text, &["src=\"", "href=\""]);
    let sheets: Vec<_> = parts.iter().filter(|path| path.ends_with(".css")).cloned().collect();
    for sheet in sheets {
        let css = connection.get(&sheet, "").await.expect(200);
        parts.extend(references(&String::from_utf8(css.body).unwrap(), &["url(\"", "url("]));
    }
    let mut bytes = Connection::open(base).await.weight("/login", GZIP).await;
    for part in &parts {
        bytes += Connection::open(base).await.weight(part, GZIP).await;
    }
    println!("sign-in page with its {} files: {:.1} KB (at most 40)", parts.len(), bytes as f64 / 1e3);
}

/// Paths to files of ours that the text names after one of these markers.
fn references(text: &str, markers: &[&str]) -> BTreeSet<String> {
    let after = |marker: &str| text.split(marker).skip(1).map(str::to_owned).collect::<Vec<_>>();
    let named = markers.iter().flat_map(|marker| after(marker));
    let path = |rest: String| rest.split(['"', ')', '\'']).next().unwrap_or_default().to_owned();
    named.map(path).filter(|path| path.starts_with("/assets/")).collect()
}
