"use strict";
// Filters the list of tensors. If this script does not run, the page shows the complete list.
const filter = document.getElementById("filter");
const rows = [...document.querySelectorAll("#tensors tr[data-name]")];
const count = document.getElementById("count");
filter.parentElement.hidden = false;
filter.addEventListener("input", () => {
  const parts = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const matches = parts.every((part) => row.dataset.name.includes(part));
    row.classList.toggle("other", !matches);
    shown += matches;
  }
  count.textContent = parts.length ? `${shown} of ${rows.length}` : "";
});
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () => navigator.clipboard.writeText(button.dataset.copy));
}
// Show the row that belongs to a click on the bar, even if the row is hidden.
addEventListener("hashchange", () => {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row && row.tagName === "TR") {
    document.getElementById("all").checked = false;
    row.classList.remove("other");
    row.scrollIntoView();
  }
});
