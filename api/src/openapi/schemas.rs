//! The shapes of bodies and answers (JSON Schema 2020-12).

use serde_json::{Map, Value, json};

const TTL: &str = "Seconds, or a duration as Go writes it, like 1h30m. A day where it is left out.";
const PKCE: &str = "Where it is left out: true for a new app, as it was for one that is changed.";
const OURS: &str =
    "Where it is left out: the default for a new app, as it was for one that is changed. null is the default.";

/// An answer's object: all members are there, and none beyond.
fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "required": names, "properties": properties(members), "additionalProperties": false })
}

/// A body's object: what is left out has its default, or what it says itself; what is not known is ignored.
fn input(required: &[&str], members: &[(&str, Value)]) -> Value {
    json!({ "type": "object", "required": required, "properties": properties(members) })
}

fn properties(members: &[(&str, Value)]) -> Map<String, Value> {
    members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect()
}

fn of(kind: &str) -> Value {
    json!({ "type": kind })
}

fn formatted(format: &str) -> Value {
    json!({ "type": "string", "format": format })
}

/// The schema, or null.
fn maybe(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn reference(name: &str) -> Value {
    super::reference(name)
}

fn with(members: &[(&'static str, Value)], more: &[(&'static str, Value)]) -> Vec<(&'static str, Value)> {
    [members, more].concat()
}

pub fn all() -> Value {
    let (text, number, flag) = (of("string"), of("integer"), of("boolean"));
    let (uuid, time) = (formatted("uuid"), formatted("date-time"));
    let null = of("null");
    let anything = json!({ "type": "object" });

    let group = [
        ("id", uuid.clone()),
        ("name", text.clone()),
        ("friendlyName", text.clone()),
        ("customClaims", reference("CustomClaims")),
        ("ldapId", null.clone()),
        ("createdAt", time.clone()),
    ];
    let group_in_list = with(&group, &[("userCount", number.clone())]);
    let meta = [
        ("id", text.clone()),
        ("name", text.clone()),
        ("description", text.clone()),
        ("hasLogo", flag.clone()),
        ("hasDarkLogo", flag.clone()),
        ("launchURL", maybe(text.clone())),
        ("requiresReauthentication", flag.clone()),
        ("clientType", text.clone()),
    ];
    let client = with(
        &meta,
        &[
            ("callbackURLs", list(text.clone())),
            ("logoutCallbackURLs", list(text.clone())),
            ("isPublic", flag.clone()),
            ("pkceEnabled", flag.clone()),
            ("requiresPushedAuthorizationRequests", flag.clone()),
            ("skipConsent", flag.clone()),
            ("credentials", object(&[("secrets", list(reference("Secret")))])),
            ("isGroupRestricted", flag.clone()),
            ("accessTokenDurationMinutes", number.clone()),
            ("refreshTokenDurationMinutes", number.clone()),
            ("idTokenSigningAlg", json!({ "type": "string", "enum": ["RS256", "ES256", "EdDSA"] })),
            ("minimalIdToken", flag.clone()),
        ],
    );
    let secret = [
        ("id", uuid.clone()),
        ("prefix", text.clone()),
        ("visiblePrefix", text.clone()),
        ("createdAt", time.clone()),
        ("expiresAt", maybe(time.clone())),
        ("isActive", flag.clone()),
    ];
    let setting = [("key", text.clone()), ("type", text.clone()), ("value", text.clone())];
    let schemas = [
        (
            "Error",
            input(
                &["error", "code", "request_id"],
                &[
                    ("error", text.clone()),
                    ("code", text.clone()),
                    ("request_id", text.clone()),
                    ("details", anything.clone()),
                ],
            ),
        ),
        (
            "Pagination",
            object(&[
                ("totalPages", number.clone()),
                ("totalItems", number.clone()),
                ("currentPage", number.clone()),
                ("itemsPerPage", number.clone()),
            ]),
        ),
        ("Text", text.clone()),
        ("Names", json!({ "type": "object", "additionalProperties": { "type": "string" } })),
        ("CustomClaims", list(object(&[("key", text.clone()), ("value", text.clone())]))),
        (
            "User",
            object(&[
                ("id", uuid.clone()),
                ("username", text.clone()),
                ("email", maybe(text.clone())),
                ("emailVerified", flag.clone()),
                ("firstName", text.clone()),
                ("lastName", text.clone()),
                ("displayName", text.clone()),
                ("isAdmin", flag.clone()),
                ("locale", maybe(text.clone())),
                ("customClaims", reference("CustomClaims")),
                ("userGroups", list(reference("GroupInList"))),
                ("ldapId", null.clone()),
                ("disabled", flag.clone()),
            ]),
        ),
        (
            "UserInput",
            input(
                &[],
                &[
                    ("id", uuid.clone()),
                    ("username", text.clone()),
                    ("email", maybe(text.clone())),
                    ("emailVerified", flag.clone()),
                    ("firstName", text.clone()),
                    ("lastName", text.clone()),
                    ("displayName", text.clone()),
                    ("isAdmin", flag.clone()),
                    ("locale", maybe(text.clone())),
                    ("disabled", flag.clone()),
                    ("userGroupIds", list(uuid.clone())),
                ],
            ),
        ),
        ("UserGroupIds", input(&["userGroupIds"], &[("userGroupIds", list(uuid.clone()))])),
        ("UserIds", input(&["userIds"], &[("userIds", list(uuid.clone()))])),
        ("ClientIds", input(&["oidcClientIds"], &[("oidcClientIds", list(text.clone()))])),
        ("LinkInput", input(&[], &[("ttl", json!({ "type": ["number", "string"], "description": TTL }))])),
        ("File", input(&["file"], &[("file", json!({ "type": "string", "contentMediaType": "image/*" }))])),
        ("Link", object(&[("token", text.clone()), ("url", text.clone()), ("expiresAt", time.clone())])),
        ("EmailVerification", input(&["token"], &[("token", text.clone())])),
        ("GroupInput", input(&["name", "friendlyName"], &[("name", text.clone()), ("friendlyName", text.clone())])),
        ("GroupInList", object(&group_in_list)),
        (
            "Group",
            object(&with(
                &group,
                &[("users", list(reference("User"))), ("allowedOidcClients", list(reference("ClientMeta")))],
            )),
        ),
        ("ClientMeta", object(&meta)),
        (
            "AuthorizedClient",
            object(&[("scope", text.clone()), ("client", reference("ClientMeta")), ("lastUsedAt", time.clone())]),
        ),
        ("UsableClient", object(&with(&meta, &[("lastUsedAt", maybe(time.clone()))]))),
        ("Client", object(&with(&client, &[("allowedUserGroups", list(reference("GroupInList")))]))),
        ("ClientWithoutGroups", object(&client)),
        ("ClientInList", object(&with(&client, &[("allowedUserGroupsCount", number.clone())]))),
        (
            "ClientInput",
            input(
                &["name"],
                &[
                    ("id", text.clone()),
                    ("name", text.clone()),
                    ("description", text.clone()),
                    ("callbackURLs", list(text.clone())),
                    ("logoutCallbackURLs", list(text.clone())),
                    ("isPublic", flag.clone()),
                    ("pkceEnabled", json!({ "type": "boolean", "description": PKCE })),
                    ("requiresReauthentication", flag.clone()),
                    ("skipConsent", flag.clone()),
                    ("launchURL", maybe(text.clone())),
                    ("isGroupRestricted", flag.clone()),
                    ("accessTokenDurationMinutes", number.clone()),
                    ("refreshTokenDurationMinutes", number.clone()),
                    (
                        "idTokenSigningAlg",
                        json!({ "enum": ["RS256", "ES256", "EdDSA", null], "default": "RS256", "description": OURS }),
                    ),
                    ("minimalIdToken", json!({ "type": ["boolean", "null"], "default": false, "description": OURS })),
                ],
            ),
        ),
        ("Secret", object(&secret)),
        ("NewSecret", object(&with(&secret, &[("secret", text.clone())]))),
        ("SecretInput", input(&[], &[("secret", text.clone()), ("expiresAt", maybe(time.clone()))])),
        ("SecretValue", object(&[("secret", text.clone())])),
        (
            "Session",
            object(&[
                ("id", uuid.clone()),
                ("startedAt", time.clone()),
                ("lastUsedAt", time.clone()),
                ("expiresAt", time.clone()),
                ("authenticatedAt", time.clone()),
                ("device", maybe(text.clone())),
                ("ipAddress", maybe(text.clone())),
                ("country", maybe(text.clone())),
                ("city", maybe(text.clone())),
                ("passkeyId", uuid.clone()),
                ("current", flag.clone()),
            ]),
        ),
        (
            "AuditLog",
            object(&[
                ("id", uuid.clone()),
                ("createdAt", time.clone()),
                ("event", text.clone()),
                ("ipAddress", text.clone()),
                ("country", text.clone()),
                ("city", text.clone()),
                ("device", text.clone()),
                ("userID", text.clone()),
                ("username", text.clone()),
                ("actorUsername", text.clone()),
                ("data", reference("Names")),
                ("position", number.clone()),
            ]),
        ),
        ("Events", object(&[("events", list(reference("Event"))), ("head", number.clone())])),
        (
            "Event",
            object(&[
                ("position", number.clone()),
                ("eventId", uuid.clone()),
                ("recordedAt", time.clone()),
                ("stream", text.clone()),
                ("sequence", number.clone()),
                ("type", text.clone()),
                ("version", text.clone()),
                ("payload", json!({ "type": ["object", "string"] })),
                ("metadata", anything.clone()),
            ]),
        ),
        (
            "ApiKey",
            object(&[
                ("id", uuid.clone()),
                ("name", text.clone()),
                ("description", maybe(text.clone())),
                ("expiresAt", time.clone()),
                ("lastUsedAt", maybe(time.clone())),
                ("createdAt", time.clone()),
                ("expirationEmailSent", flag.clone()),
            ]),
        ),
        ("NewApiKey", object(&[("apiKey", reference("ApiKey")), ("token", text.clone())])),
        (
            "ApiKeyInput",
            input(
                &["name", "expiresAt"],
                &[("name", text.clone()), ("description", maybe(text.clone())), ("expiresAt", time.clone())],
            ),
        ),
        ("ApiKeyRenewal", input(&["expiresAt"], &[("expiresAt", time.clone())])),
        (
            "Passkey",
            object(&[
                ("id", uuid.clone()),
                ("name", text.clone()),
                ("credentialID", text.clone()),
                ("attestationType", text.clone()),
                ("transport", list(text.clone())),
                ("backupEligible", flag.clone()),
                ("backupState", flag.clone()),
                ("createdAt", time.clone()),
                ("lastUsedAt", maybe(time.clone())),
                ("aaguid", uuid.clone()),
                ("suspended", flag.clone()),
            ]),
        ),
        ("PasskeyName", input(&["name"], &[("name", text.clone())])),
        (
            "Signals",
            object(&[
                ("rpId", text.clone()),
                ("userId", text.clone()),
                ("acceptedCredentialIds", list(text.clone())),
                ("name", text.clone()),
                ("displayName", text.clone()),
            ]),
        ),
        // WebAuthn Level 3 §5.1.8 to §5.1.10 define these.
        ("CreationOptions", anything.clone()),
        ("RequestOptions", anything.clone()),
        ("RegistrationResponse", anything.clone()),
        ("AuthenticationResponse", anything.clone()),
        ("Version", object(&[("currentVersion", text.clone()), ("chanceryVersion", text.clone())])),
        ("LatestVersion", object(&[("latestVersion", text.clone())])),
        ("PublicSetting", object(&setting)),
        ("Setting", object(&with(&setting, &[("isPublic", flag)]))),
        ("Document", anything),
    ];
    schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect::<Map<_, _>>().into()
}
