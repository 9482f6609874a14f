use super::*;

fn refused(key: &str, value: &str) -> bool {
    let claim = CustomClaim { key: key.to_owned(), value: value.to_owned() };
    let mistyped = matches!(check_claims(&[claim]), Err(ClaimsRefusal::Mistyped { key: named, .. }) if named == key);
    assert_eq!(mistyped, claim_value(key, value).is_err(), "what is refused does not go out either");
    mistyped
}

#[test]
fn openid_core_5_1_a_date_of_birth_is_a_date_or_a_year() {
    for good in ["1815", "1815-12-10", "0000-12-10", "0000-02-29", "2000-02-29"] {
        assert!(!refused("birthdate", good), "{good}");
    }
    for bad in [
        "0000",
        "815",
        "18155",
        "1815-12",
        "1815-13-10",
        "1815-12-32",
        "1900-02-29",
        "1815-12-1",
        "1815/12/10",
        "10.12.1815",
        "1815-12-10T00:00:00Z",
        "1815-12-+1",
        "yesterday",
        "18é5",
        "{}",
    ] {
        assert!(refused("birthdate", bad), "{bad}");
    }
}

#[test]
fn openid_core_5_1_whether_a_number_is_verified_is_true_or_false() {
    for good in ["true", "false"] {
        assert!(!refused("phone_number_verified", good));
    }
    for bad in ["yes", "1", "\"true\"", "True", "null", "[true]"] {
        assert!(refused("phone_number_verified", bad), "{bad}");
    }
}

#[test]
fn openid_core_5_1_1_an_address_is_an_object_of_texts() {
    assert!(!refused("address", r#"{"formatted": "12 St James's Square", "country": "GB"}"#));
    for bad in
        ["London", "\"London\"", "[]", "{}", r#"{"postal_code": 1}"#, r#"{"country": null}"#, r#"{"country": ""}"#]
    {
        assert!(refused("address", bad), "{bad}");
    }
}

#[test]
fn openid_core_5_3_2_nothing_goes_out_as_null_or_empty() {
    assert!(refused("team", "\"\""));
    assert_eq!(claim_value("team", "null"), Ok(json!("null")), "a text like any other");
    assert_eq!(claim_value("nickname", "\"\""), Ok(json!("\"\"")), "a text whatever it looks like");
    assert_eq!(claim_value("level", "3"), Ok(json!(3)));
}
