"use strict";
// The list of all tensors, narrowed down by a word; without this script the list is whole.
const box = document.getElementById("word");
const rows = [...document.querySelectorAll("#tensors tr[data-name]")];
const count = document.getElementById("count");
box.parentElement.hidden = false;
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const fits = words.every((word) => row.dataset.name.includes(word));
    row.classList.toggle("other", !fits);
    shown += fits;
  }
  count.textContent = words.length ? `${shown} of ${rows.length}` : "";
});
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () => navigator.clipboard.writeText(button.dataset.copy));
}
// A tensor that a click on the bar leads to must not be hidden.
addEventListener("hashchange", () => {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row && row.tagName === "TR") {
    document.getElementById("all").checked = false;
    row.classList.remove("other");
    row.scrollIntoView();
  }
});
