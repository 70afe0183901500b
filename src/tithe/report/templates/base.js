"use strict";
// The language of the page, and what every script of it needs.
const tithe = (() => {
  const root = document.documentElement, LANGUAGES = ["en", "ru"], KEPT = "tithe-language";
  const ATTRIBUTES = ["text", "alt", "title", "placeholder", "aria-label"];

  function kept(choice) { // for this tab; a browser may refuse to keep anything
    try {
      return choice ? sessionStorage.setItem(KEPT, choice) : sessionStorage.getItem(KEPT);
    } catch (error) {
      return null;
    }
  }

  // Attributes and titles can't hold both languages: they have each beside them.
  function write() {
    for (const name of ATTRIBUTES)
      for (const element of document.querySelectorAll(`[data-${root.lang}-${name}]`)) {
        const text = element.getAttribute(`data-${root.lang}-${name}`);
        if (name === "text") element.textContent = text;
        else element.setAttribute(name, text);
      }
    const button = document.getElementById("language"), other = LANGUAGES.find(each => each !== root.lang);
    button.lang = other;
    button.textContent = { en: "EN", ru: "RU" }[other];
    button.setAttribute("aria-label", { en: "Show this page in English", ru: "Показать страницу по-русски" }[other]);
    button.hidden = false;
  }

  function speak(language) {
    root.lang = language;
    write();
    document.dispatchEvent(new Event("tithe:language"));
  }

  // The form of a word after a number: two in English, three in Russian.
  function plural(count, forms) {
    if (forms.length === 2) return forms[count === 1 ? 0 : 1];
    const tens = count % 100, ones = count % 10;
    if (ones === 1 && tens !== 11) return forms[0];
    return ones >= 2 && ones <= 4 && !(tens >= 12 && tens <= 14) ? forms[1] : forms[2];
  }

  // Fill the places of a sentence, {"en": "{n} {n:row|rows}", "ru": …}, in the language that is shown. Without values
  // it is text already: braces in it are those of a name.
  function say(sentence, values) {
    const text = typeof sentence === "string" ? sentence : sentence[root.lang];
    return !values ? text : text.replace(/\{(\w+)(?::([^}]*))?\}/g, (place, name, forms) =>
      forms ? plural(values[name], forms.split("|")) : String(values[name]));
  }

  // Text as it is shown: control characters and those that reorder a line are escapes, as `console.lines` writes them.
  function visible(text) {
    return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu, sign => {
      const code = sign.codePointAt(0).toString(16);
      return code.length < 3 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`;
    });
  }

  const shown = value => typeof value === "string" ? visible(value) : value;

  // Put elements or text into an element, in place of what it holds.
  const fill = (host, ...children) => host.replaceChildren(...children.map(shown));

  // A new element; children are elements or text, which is never markup.
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, shown(value));
    made.append(...children.map(shown));
    return made;
  }

  // What a server says where it does not answer: by language, where it has that.
  const refusal = answer => answer.says || answer.error;

  const data = id => JSON.parse(document.getElementById(id).textContent);
  const wanted = root.dataset.language || (/^ru\b/i.test(navigator.language) ? "ru" : "en");
  root.lang = kept() || wanted;
  document.addEventListener("DOMContentLoaded", () => {
    write();
    document.getElementById("language").addEventListener("click", () => {
      const other = LANGUAGES.find(each => each !== root.lang);
      kept(other);
      speak(other);
    });
  });
  return { say, element, fill, visible, refusal, data };
})();
