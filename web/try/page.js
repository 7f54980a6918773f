// Elements of the page.

/**
 * The element with an id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Create an element with properties and children. Text is never parsed as markup.
 * @param {string} tag
 * @param {Record<string, unknown>} properties
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/**
 * Show a state of the page. It is announced to screen readers.
 * @param {string} text
 * @param {boolean} busy
 */
export function showStatus(text, busy = false) {
  $("status").textContent = text;
  $("status").className = busy ? "busy" : "";
  $("stop").hidden = !busy;
}

/**
 * Show an error; empty text hides it.
 * @param {string} text
 */
export function showError(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

/**
 * Let the user save a file.
 * @param {Blob} content
 * @param {string} name
 */
export function download(content, name) {
  const address = URL.createObjectURL(content);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
