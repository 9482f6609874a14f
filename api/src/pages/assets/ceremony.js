// Passkey ceremonies. Every button with data-ceremony="get" or "create" starts one: it fetches options from data-start,
// asks the device, posts the answer to data-finish and goes to data-next. Words come from the page, never from here.

const words = document.getElementById("words")?.dataset ?? {};
let pending = null; // one request at a time: a second one would fail, so the first is aborted

class Refused extends Error {
  constructor(status, body) {
    super(body?.error ?? words.failed);
    this.status = status;
    this.code = body?.code;
    this.details = body?.details;
  }
}

async function call(url, body) {
  const request = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(url, { credentials: "same-origin", ...request });
  const json = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, json);
  return json;
}

function says(button) {
  return {
    status: document.getElementById(button.dataset.statusLine ?? "status"),
    alert: document.getElementById(button.dataset.status ?? "alert"),
  };
}

function fail(button, text) {
  const { alert } = says(button);
  if (alert) {
    alert.textContent = text;
    alert.hidden = !text;
  }
  if (text) button.focus();
}

function explain(error, kind, began) {
  if (error instanceof Refused) return error.message;
  switch (error.name) {
    case "AbortError":
    case "OperationError":
      return "";
    case "InvalidStateError":
      return words.exists;
    case "ConstraintError":
    case "NotSupportedError":
      return words.unsuitable;
    case "SecurityError":
      return words.misplaced;
    case "NotAllowedError":
      // At once, the device had nothing to offer; later, the person or the clock ended it.
      if (performance.now() - began < 1000) return kind === "get" ? words.none : words.unsuitable;
      return words.cancelled;
    default:
      return words.failed;
  }
}

async function ask(kind, options, extra) {
  pending?.abort();
  pending = new AbortController();
  const signal = pending.signal;
  if (kind === "create") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey, signal });
  }
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey, signal, ...extra });
}

// Keeps providers in step (WebAuthn Signal API). Best effort: sign-in never depends on it.
async function signal(method, details) {
  try {
    await PublicKeyCredential[method]?.(details);
  } catch {
    // The provider goes on showing what it has.
  }
}

async function finish(button, credential, options) {
  try {
    await call(button.dataset.finish, credential.toJSON());
  } catch (error) {
    const unknown = error.details?.unknownCredentialId;
    // A refusal of the new passkey is certain; after a failure on the way it may have been enrolled all the same.
    const refused = error instanceof Refused && error.status < 500;
    const orphan = button.dataset.ceremony === "create" && refused ? credential.id : unknown;
    const rpId = options.rpId ?? options.rp?.id;
    if (orphan) await signal("signalUnknownCredential", { rpId, credentialId: orphan });
    throw error;
  }
  const list = button.dataset.signals && (await call(button.dataset.signals).catch(() => null));
  if (list?.acceptedCredentialIds?.length) {
    const { rpId, userId, acceptedCredentialIds: allAcceptedCredentialIds, name, displayName } = list;
    await signal("signalAllAcceptedCredentials", { rpId, userId, allAcceptedCredentialIds });
    await signal("signalCurrentUserDetails", { rpId, userId, name, displayName });
  }
  location.assign(button.dataset.next);
}

async function run(button) {
  const kind = button.dataset.ceremony;
  const form = document.getElementById(button.dataset.form);
  if (form && !form.reportValidity()) return;
  fail(button, "");
  button.setAttribute("aria-busy", "true");
  let began = performance.now();
  try {
    const body = form ? Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== "")) : undefined;
    const options = await call(button.dataset.start, body);
    began = performance.now();
    await finish(button, await ask(kind, options), options);
  } catch (error) {
    if (error.code === "reauthentication_required") {
      location.assign(`/reauthenticate?next=${encodeURIComponent(location.pathname)}`);
      return;
    }
    fail(button, explain(error, kind, began));
    arm(button);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// Autofill: the browser offers passkeys in the field as soon as the page is there, without a dialog.
async function arm(button) {
  if (!button.dataset.autofill || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  try {
    const options = await call(button.dataset.start);
    const credential = await ask("get", options, { mediation: "conditional" });
    await finish(button, credential, options);
  } catch (error) {
    // An attempt that expired while the page was open is simply begun again.
    if (error.code === "invalid_webauthn_session") return arm(button);
    if (error instanceof Refused) fail(button, error.message);
  }
}

for (const button of document.querySelectorAll("[data-ceremony]")) {
  if (!window.isSecureContext || !window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    fail(button, words.unsupported);
    button.disabled = true;
    continue;
  }
  button.form?.addEventListener("submit", (event) => event.preventDefault());
  button.addEventListener("click", () => run(button));
  arm(button);
  // The server forgets a challenge after five minutes, the browser never does: renew it when the page is seen again.
  const renew = () => document.visibilityState === "visible" && button.dataset.autofill && arm(button);
  addEventListener("pageshow", (event) => event.persisted && renew());
  if (button.dataset.autofill) setInterval(renew, 240_000);
}
