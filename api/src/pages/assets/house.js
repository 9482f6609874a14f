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

// On a phone the rail scrolls sideways: show where one is.
const rail = document.querySelector(".rail nav");
const here = rail?.querySelector("[aria-current]");
if (here && rail.scrollWidth > rail.clientWidth) {
  rail.scrollLeft += here.getBoundingClientRect().left - rail.getBoundingClientRect().left - 16;
}
