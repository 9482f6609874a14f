//! Holds every answer of the REST API that any test sees against the OpenAPI document.

use std::sync::LazyLock;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| chancery_api::openapi::document("http://localhost"));

/// The endpoints that OpenID Connect's own metadata describes.
const PROTOCOL: [&str; 5] =
    ["/api/oidc/token", "/api/oidc/userinfo", "/api/oidc/introspect", "/api/oidc/revoke", "/api/oidc/end-session"];

/// # Panics
/// Where the answer is not what the document says.
pub fn check(method: &str, path: &str, status: u16, body: &str) {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // HEAD is GET without a body (RFC 9110 §9.3.2), and with 304 the caller has the answer already.
    if !path.starts_with("/api/") || PROTOCOL.contains(&path) || method == "HEAD" || status == 304 {
        return;
    }
    let operation = operation(method, path);
    let success = (200..300).contains(&status);
    let described =
        operation.map(|operation| &operation["responses"][if success { status.to_string() } else { "default".into() }]);
    match described {
        Some(described) => {
            assert!(described.is_object(), "{method} {path} answers {status}, which is not documented");
            if let Some(schema) = described.pointer("/content/application~1json/schema") {
                let json = serde_json::from_str(body).unwrap_or_else(|_| panic!("{method} {path}: no JSON: {body}"));
                let fault = fault(&json, schema);
                assert_eq!(fault, None, "{method} {path} {status}: {body}");
            } else if described.get("content").is_none() {
                assert_eq!(body, "", "{method} {path} {status}");
            }
        }
        None => {
            assert!(
                matches!(status, 400..=405 | 413 | 429 | 503),
                "{method} {path} is not documented, but answers {status}"
            )
        }
    }
}

/// The operation of a path that has its parameters filled in; one without parameters comes first.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let template =
        paths.keys().filter(|template| fits(template, path)).min_by_key(|template| template.matches('{').count());
    paths[template?].get(method.to_lowercase())
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(known, part)| known.starts_with('{') || known == part)
}

/// What does not fit, if anything, by the part of JSON Schema that the document uses.
fn fault(json: &Value, schema: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = DOCUMENT.pointer(reference.trim_start_matches('#'));
        return fault(json, target.unwrap_or_else(|| panic!("{reference} leads nowhere")));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    if !types.contains(&type_of(json)) {
        return Some(format!("{json} is no {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(json)) {
        return Some(format!("{json} is none of {}", schema["enum"]));
    }
    match json {
        Value::String(text) => {
            let sound = match schema["format"].as_str() {
                Some("uuid") => text.parse::<Uuid>().is_ok(),
                Some("date-time") => OffsetDateTime::parse(text, &Rfc3339).is_ok(),
                _ => true,
            };
            (!sound).then(|| format!("{text} is no {}", schema["format"]))
        }
        Value::Array(items) => items.iter().find_map(|item| fault(item, &schema["items"])),
        Value::Object(members) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let missing = required.into_iter().find(|name| !members.contains_key(*name));
            missing.map(|name| format!("{name} is missing")).or_else(|| {
                members.iter().find_map(|(name, value)| {
                    match (&schema["properties"][name], &schema["additionalProperties"]) {
                        (Value::Null, Value::Bool(false)) => Some(format!("{name} is not documented")),
                        (Value::Null, Value::Object(_)) => fault(value, &schema["additionalProperties"]),
                        (Value::Null, _) => None,
                        (schema, _) => fault(value, schema),
                    }
                })
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn type_of(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
