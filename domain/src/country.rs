//! Countries by their codes (ISO 3166-1 alpha-2), and what they are called in English.

/// Code and everyday name of each country, and of Kosovo, whose code `XK` geo-location databases use.
const COUNTRIES: &str = include_str!("countries.tsv");

/// "Portugal" for "PT".
pub fn english_name(code: &str) -> Option<&'static str> {
    let mut named = COUNTRIES.lines().filter_map(|line| line.split_once('\t'));
    named.find(|(known, _)| *known == code).map(|(_, name)| name)
}

/// The codes of the countries in whose names this text is, whatever its case.
pub fn codes_of(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let named = COUNTRIES.lines().filter_map(|line| line.split_once('\t'));
    named.filter(|(_, name)| name.to_lowercase().contains(&text)).map(|(code, _)| code.to_owned()).collect()
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

    #[test]
    fn countries_are_found_by_a_part_of_their_name() {
        assert_eq!(codes_of("portUGAL"), ["PT"]);
        assert_eq!(codes_of("guinea"), ["GN", "GQ", "GW", "PG"]);
        assert_eq!(codes_of("nowhere"), [] as [&str; 0]);
    }
}
