//! Countries by their codes (ISO 3166-1 alpha-2), and what they are called in English.

/// Code and everyday name of each country, and of Kosovo, whose code `XK` geo-location databases use.
const COUNTRIES: &str = include_str!("countries.tsv");

/// "Portugal" for "PT".
pub fn english_name(code: &str) -> Option<&'static str> {
    let mut named = COUNTRIES.lines().filter_map(|line| line.split_once('\t'));
    named.find(|(known, _)| *known == code).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_code_and_a_name_in_order() {
        let lines: Vec<_> = COUNTRIES.lines().map(|line| line.split_once('\t').unwrap()).collect();

        assert_eq!(lines.len(), 250);
        assert!(lines.is_sorted_by(|(one, _), (next, _)| one < next));
        for (code, name) in lines {
            assert!(code.len() == 2 && code.bytes().all(|c| c.is_ascii_uppercase()), "{code}");
            assert!(!name.is_empty() && name.trim() == name, "{code}");
        }
    }

    #[test]
    fn a_country_is_found_by_its_code_and_nothing_else_is() {
        assert_eq!(english_name("PT"), Some("Portugal"));
        assert_eq!(english_name("CI"), Some("Ivory Coast"));
        for nothing in ["", "P", "pt", "ZZ", "PT\tPortugal", "Portugal"] {
            assert_eq!(english_name(nothing), None, "{nothing:?}");
        }
    }
}
