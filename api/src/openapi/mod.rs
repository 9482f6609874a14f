//! The OpenAPI document of the REST API (OpenAPI Specification 3.1), at `/api/openapi.json`.
//!
//! The tests hold every answer of the API that they see against it. The OpenID Connect endpoints describe themselves by
//! their own metadata.

pub mod operations;
mod schemas;

use axum::extract::State;
use axum::{Json, Router, routing};
use serde_json::{Map, Value, json};

use self::operations::{Answer, FILE, OPERATIONS, Operation, SECRET, Who};
use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new().route("/api/openapi.json", routing::get(serve))
}

async fn serve(State(app): State<App>) -> Json<Value> {
    Json(document(&app.issuer))
}

pub fn document(issuer: &str) -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        paths.entry(operation.path).or_insert_with(|| json!({}))[operation.method] = describe(operation);
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Chancery",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Administration and account API. Paths and members that Pocket ID has too are its own. In a body, null is as if the member were left out, unless the member says otherwise.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": issuer }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-session",
                    "description": "A browser session. What changes something needs a ceremony of the last five minutes."
                },
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" }
            },
            "schemas": schemas::all()
        }
    })
}

fn describe(operation: &Operation) -> Value {
    let Operation { path, who, summary, body, status, answer, .. } = operation;
    let mut described = json!({
        "tags": [path.split('/').nth(2).unwrap_or_default()],
        "summary": summary,
        "security": security(*who),
        "parameters": parameters(operation),
        "responses": {
            status.to_string(): response(*answer),
            "default": { "description": "A refusal or failure.", "content": content(reference("Error")) }
        }
    });
    if let Some(body) = body {
        let kind = if *body == FILE { "multipart/form-data" } else { "application/json" };
        let required = *body != SECRET;
        described["requestBody"] = json!({ "required": required, "content": { kind: { "schema": reference(body) } } });
    }
    described
}

fn security(who: Who) -> Value {
    match who {
        Who::Anybody => json!([]),
        Who::Browser => json!([{ "session": [] }]),
        Who::Person | Who::Admin => json!([{ "session": [] }, { "apiKey": [] }]),
    }
}

fn parameters(operation: &Operation) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let query = |name: &str, kind: &str| json!({ "name": name, "in": "query", "schema": { "type": kind } });
    if operation.conditional {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "schema": { "type": "string" },
            "description": "The ETag that the person, group or app was read with: it is changed only if it is still the same, otherwise the answer is 412."
        }));
    }
    match operation.answer {
        Answer::PageOf(_) => parameters.extend([
            query("pagination[page]", "integer"),
            query("pagination[limit]", "integer"),
            query("sort[column]", "string"),
            json!({ "name": "sort[direction]", "in": "query", "schema": { "enum": ["asc", "desc"] } }),
        ]),
        Answer::One("Events") => parameters.extend([query("after", "integer"), query("limit", "integer")]),
        Answer::Nothing | Answer::Image | Answer::One(_) | Answer::ListOf(_) => {}
    }
    parameters.extend(operation.searched.then(|| query("search", "string")));
    // Said several times, the values are alternatives.
    parameters.extend(operation.filters.iter().map(|(field, kind)| {
        let schema = json!({ "type": "array", "items": { "type": kind } });
        json!({ "name": format!("filters[{field}]"), "in": "query", "style": "form", "explode": true, "schema": schema })
    }));
    Value::Array(parameters)
}

fn response(answer: Answer) -> Value {
    let schema = match answer {
        Answer::Nothing => return json!({ "description": "Done." }),
        Answer::Image => return json!({ "description": "Done.", "content": { "image/png": {} } }),
        Answer::One(name) => reference(name),
        Answer::ListOf(name) => json!({ "type": "array", "items": reference(name) }),
        Answer::PageOf(name) => json!({
            "type": "object",
            "required": ["data", "pagination"],
            "properties": {
                "data": { "type": "array", "items": reference(name) }, "pagination": reference("Pagination")
            },
            "additionalProperties": false
        }),
    };
    json!({ "description": "Done.", "content": content(schema) })
}

fn content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
