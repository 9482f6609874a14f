// Small comforts of the account and admin pages. Everything works without them.

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  if (!source || !navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    source.select();
    try {
      await navigator.clipboard.writeText(source.value);
    } catch {
      return; // The value stays selected, to be copied by hand.
    }
    const label = button.firstChild;
    const before = label.textContent;
    label.textContent = button.dataset.done;
    setTimeout(() => (label.textContent = before), 2000);
  });
}

// A photograph is made small before it is sent: it takes a moment instead of a minute, and where and when it was taken stay
// here. What this browser cannot read goes as it is; the server says what is wrong with it.
const SIDE = 600;

async function shrunk(file) {
  const picture = await createImageBitmap(file);
  const side = Math.min(picture.width, picture.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.min(side, SIDE);
  const corner = [(picture.width - side) / 2, (picture.height - side) / 2];
  canvas.getContext("2d").drawImage(picture, ...corner, side, side, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([blob], "picture.png", { type: blob.type });
}

for (const form of document.querySelectorAll("[data-shrink]")) {
  const chooser = form.querySelector("[type=file]");
  chooser.addEventListener("change", () => delete form.dataset.shrunk);
  form.addEventListener("submit", async (event) => {
    const file = chooser.files[0];
    if (!file || event.submitter?.formNoValidate || form.dataset.shrunk === "yes") return;
    event.preventDefault();
    // Pressed again while it is being made small.
    if (form.dataset.shrunk) return;
    form.dataset.shrunk = "not yet";
    try {
      const files = new DataTransfer();
      files.items.add(await shrunk(file));
      chooser.files = files.files;
    } catch {
      // It goes as it is.
    }
    form.dataset.shrunk = "yes";
    form.requestSubmit(event.submitter);
  });
}

// On a phone the rail scrolls sideways: show where one is.
const rail = document.querySelector(".rail nav");
const here = rail?.querySelector("[aria-current]");
if (here && rail.scrollWidth > rail.clientWidth) {
  rail.scrollLeft += here.getBoundingClientRect().left - rail.getBoundingClientRect().left - 16;
}

// What was sent is kept until a page of the house answers. Where a ceremony came in between, the page of an error, or a
// sign-in because the session was over, it is filled in again when its form is back: for whoever entered it, and nobody else.
function refill(form, pairs) {
  const values = new Map();
  for (const [name, value] of pairs) values.set(name, [...(values.get(name) ?? []), value]);
  for (const control of form.elements) {
    if (!control.name || control.type === "file") continue;
    const given = values.get(control.name) ?? [];
    if (control.type === "checkbox" || control.type === "radio") control.checked = given.includes(control.value);
    else if (given.length) control.value = given.shift();
  }
}

const { person } = document.getElementById("hall").dataset;
const kept = JSON.parse(sessionStorage.getItem("kept"));
sessionStorage.removeItem("kept");
const again = kept?.person === person && [...document.forms].find((form) => form.action === kept.action);
const says = document.getElementById("kept");
if (again && says) {
  refill(again, kept.pairs);
  again.before(says);
  says.hidden = false;
  says.scrollIntoView({ block: "center" });
}

for (const form of document.querySelectorAll(".hall form[method=post]")) {
  form.addEventListener("submit", () => {
    const pairs = [...new FormData(form)].filter(([, value]) => typeof value === "string");
    if (pairs.length) sessionStorage.setItem("kept", JSON.stringify({ person, action: form.action, pairs }));
  });
}
