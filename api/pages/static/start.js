// The start page and the page for rooms that do not exist: a name leads to /meet/<name>.

const form = document.getElementById("go");
const field = document.getElementById("room");

// On the page of a missing room the address says what was looked for: a slip of the finger is then quickly mended.
const looked = /^\/meet\/([^/]+)/.exec(location.pathname);
if (looked !== null) {
  try {
    field.value = decodeURIComponent(looked[1]);
  } catch {
    // Not a legal escape: nothing worth showing again.
  }
}
field.focus();

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = field.value.trim();
  if (name !== "") location.assign(`/meet/${encodeURIComponent(name)}`);
});
