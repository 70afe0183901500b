// What a person decides on a page: kept in this browser under a name, and downloaded as a file.
const KEYS = "1234567890ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const $ = (id) => document.getElementById(id);

// `state` is an object whose parts are replaced by the kept ones, also by those of another tab; `show` draws it.
function keeping(store, state, show) {
  let unsaved = false; // since the last download, where the browser keeps nothing
  const warn = () => { $("warning").hidden = false; };

  function load() {
    try {
      Object.assign(state, JSON.parse(localStorage.getItem(store)));
    } catch (error) {
      warn();
    }
  }

  function save() {
    unsaved = true;
    try {
      localStorage.setItem(store, JSON.stringify(state));
    } catch (error) {
      warn();
    }
  }

  function download(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    tithe.element("a", { href: address, download: name }).click();
    unsaved = false;
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  window.addEventListener("storage", (event) => {
    if (event.key !== store) return; // another tab with this page has decided
    load();
    show();
  });
  window.addEventListener("beforeunload", (event) => {
    if (unsaved && !$("warning").hidden) event.preventDefault();
  });
  load();
  return { save, download };
}

// The place of a key on the keyboard, not its letter: the same on every layout.
function keyOf(event) {
  const match = /^(?:Digit|Numpad|Key)(\w)$/.exec(event.code);
  return match ? KEYS.indexOf(match[1]) : -1;
}
