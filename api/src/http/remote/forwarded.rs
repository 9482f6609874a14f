//! The `Forwarded` header (RFC 7239 §4).
//!
//! It is read strictly: a visitor writes its left part, and the host they ask for may stand within quotes to the right,
//! so that whoever splits it at each comma can be told any address. What breaks the grammar says nothing, and takes
//! nothing from what the proxy wrote to the right of it, as long as quotes are closed.

use std::net::IpAddr;

/// The `for` of each element of one header line, the nearest first.
pub fn right_to_left(line: &str) -> Vec<Result<IpAddr, String>> {
    let Some(mut elements) = split_outside_quotes(line, ',') else { return vec![Err(line.to_owned())] };
    elements.reverse();
    let hop = |element: &str| forwarded_for(element).ok_or_else(|| element.to_owned());
    elements.into_iter().map(|element| super::address(&hop(element)?)).collect()
}

/// §4: each parameter at most once in an element; §5.2: an element may leave `for` out, which is then unknown.
fn forwarded_for(element: &str) -> Option<String> {
    let mut found = None;
    for pair in split_outside_quotes(element, ';')? {
        let (name, value) = pair.trim().split_once('=')?;
        let value = token_or_quoted_string(value)?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    Some(found.unwrap_or_else(|| "unknown".to_owned()))
}

/// RFC 9110 §5.6.2 and §5.6.4.
fn token_or_quoted_string(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else {
        // Wider than a token: most proxies write IPv6 addresses and ports without the quotes they need.
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let mut text = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}

/// None where a quote is never closed.
fn split_outside_quotes(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}
