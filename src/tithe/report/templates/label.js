"use strict";
const round = tithe.data("round");
const STORE = "tithe-label-" + round.key;
const WORDS = tithe.data("words");

// What the person has done: the class of each text by its place, the places skipped, and classes of their own.
const state = { labels: {}, skipped: {}, added: [], at: 0 };

const touched = (place) => place in state.labels || place in state.skipped;
const allClasses = () => [...round.classes, ...state.added];

function label(name) {
  state.labels[state.at] = name;
  delete state.skipped[state.at];
  next();
}

function skip() {
  if (!(state.at in state.labels)) state.skipped[state.at] = true;
  next();
}

// To the next text; from the last one to the first that is still to do, if there is one.
function next() {
  const last = round.rows.length - 1;
  const open = round.rows.findIndex((_, place) => !touched(place));
  if (state.at < last) state.at += 1;
  else if (open >= 0) state.at = open;
  kept.save();
  show();
}

function back() {
  state.at = Math.max(0, state.at - 1);
  kept.save();
  show();
}

function clear() {
  delete state.labels[state.at];
  delete state.skipped[state.at];
  kept.save();
  show();
}

function addClass(typed) {
  const name = typed.normalize("NFC").replace(/\s+/g, " ").trim();
  if (!name) return;
  const same = allClasses().find((known) => known.toLowerCase() === name.toLowerCase());
  if (!same) state.added.push(name);
  label(same || name);
}

function show() {
  const row = round.rows[state.at];
  const count = Object.keys(state.labels).length;
  const skipped = Object.keys(state.skipped).length;
  const total = round.rows.length;
  tithe.fill($("text"), row.text);
  $("text").scrollTop = 0;
  tithe.fill($("why"), tithe.say(row.why));
  $("progress").value = (count + skipped) / total;
  const place = state.at in state.skipped ? WORDS.skipped : WORDS.place;
  $("place").textContent = tithe.say(place, { at: state.at + 1, total });
  const done = count + skipped === total;
  $("save").className = done ? "done" : "";
  const left = total - count - skipped;
  $("done").textContent = tithe.say(done ? WORDS.done : WORDS.left, { labelled: count, skipped, left });
  showClasses();
}

function showClasses() {
  const tally = {};
  for (const name of Object.values(state.labels)) tally[name] = (tally[name] || 0) + 1;
  const buttons = allClasses().map((name, number) => {
    const key = number < KEYS.length ? [tithe.element("kbd", {}, KEYS[number])] : [];
    const count = tithe.element("small", {}, Object.hasOwn(tally, name) ? tally[name] : "");
    const button = tithe.element("button", { type: "button", "aria-pressed": state.labels[state.at] === name }, ...key,
      tithe.element("span", {}, name), count);
    button.addEventListener("click", () => label(name));
    return button;
  });
  $("classes").replaceChildren(...buttons);
  $("names").replaceChildren(...allClasses().map((name) => Object.assign(tithe.element("option"), { value: name })));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === $("name")) {
    if (event.key === "Escape") $("text").focus();
    return;
  }
  const name = allClasses()[keyOf(event)];
  const act = {
    ArrowLeft: back,
    ArrowRight: skip,
    Backspace: clear,
    Delete: clear,
    "/": () => $("name").focus(),
  }[event.code === "Slash" ? "/" : event.key] || (name === undefined ? null : () => label(name));
  if (!act) return;
  event.preventDefault();
  act();
});

$("new").addEventListener("submit", (event) => {
  event.preventDefault();
  addClass($("name").value);
  $("name").value = "";
  $("text").focus();
});
$("back").addEventListener("click", back);
$("skip").addEventListener("click", skip);
$("clear").addEventListener("click", clear);
$("csv").addEventListener("click", () => download("csv", "text/csv", asCsv));
$("jsonl").addEventListener("click", () => download("jsonl", "application/jsonl", asJsonl));

// What is done, in the order of the texts: skipped ones without a label, those not reached not at all.
function results() {
  const [text, name] = round.columns;
  return round.rows.map((row, place) => ({ id: row.id, [text]: row.text, [name]: state.labels[place] ?? null }))
    .filter((_, place) => touched(place));
}

// With a byte order mark, by which a spreadsheet knows UTF-8; a text that it would run as a formula begins with '.
function asCsv(rows) {
  const cell = (value) => {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const safe = (value) => /^[=+\-@\t\r\n＝＋－＠]/.test(value) && !/^[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?%?$/i
    .test(value) ? "'" + value : value;
  const [text, name] = round.columns;
  const head = Object.keys(rows[0] || { id: 0, [text]: 0, [name]: 0 });
  const lines = rows.map((row) => head.map((key) => cell(key === text ? safe(row[key]) : row[key])).join(","));
  return "\ufeff" + [head.map(cell).join(","), ...lines].join("\r\n") + "\r\n";
}

function asJsonl(rows) {
  return rows.map((row) => JSON.stringify(row) + "\n").join("");
}

function download(suffix, type, write) {
  kept.download(`labelled-${round.key}.${suffix}`, type, write(results()));
}

document.addEventListener("tithe:language", show);

const kept = keeping(STORE, state, show);
state.added = state.added.filter((name) => Object.values(state.labels).includes(name));
show();
