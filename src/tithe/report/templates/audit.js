const page = tithe.data("data");
const SAY = page.words;

// The decision on each item by its place: {label}, {drop} or {keep}; and the item that is shown.
const state = { decisions: {}, at: 0 };
const LEAVE = "D", RIGHT = "K";
const OF_CLASSES = [...KEYS].filter((key) => key !== LEAVE && key !== RIGHT);
const item = () => page.items[state.at];
const decided = (place) => place in state.decisions;

function decide(decision) {
  state.decisions[state.at] = decision;
  const last = page.items.length - 1;
  const open = page.items.findIndex((_, place) => !decided(place));
  if (state.at < last) state.at += 1;
  else if (open >= 0) state.at = open;
  changed();
}

function go(place) {
  state.at = Math.min(Math.max(0, place), page.items.length - 1);
  changed();
}

function clear() {
  delete state.decisions[state.at];
  changed();
}

function changed() {
  kept.save();
  show();
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const percent = (share) => `${(100 * share).toFixed(share < 0.01 ? 1 : 0)} %`;

// What can be chosen with one key: the classes in question, that the label is right, that the text is left out.
function choices() {
  const found = item().suggested.map(({ label, probability }, place) => ({
    key: OF_CLASSES[place] || "", text: label, small: probability === null ? "" : percent(probability), decision: { label },
  }));
  if (item().kind !== "conflict")
    found.push({ key: RIGHT, text: tithe.say(SAY.right), small: "", decision: { keep: true } });
  return [...found, { key: LEAVE, text: tithe.say(SAY.leave), small: "", decision: { drop: true } }];
}

function show() {
  state.at = Math.min(state.at, page.items.length - 1);
  const count = Object.keys(state.decisions).length, total = page.items.length;
  $("text").replaceChildren(...item().texts.map((text) => tithe.element("p", { dir: "auto" }, text)));
  $("text").scrollTop = 0;
  const values = { labels: item().labels.join(", "), share: percent(item().self_confidence || 0) };
  tithe.fill($("given"), tithe.say(SAY[item().kind], values));
  $("progress").value = count / total;
  $("place").textContent = tithe.say(SAY.place, { place: state.at + 1, total });
  $("done").textContent = tithe.say(SAY.done, { count, total });
  $("classes").replaceChildren(...choices().map(choiceButton));
  showOther();
  showList();
}

function choiceButton({ key, text, small, decision }) {
  const pressed = same(state.decisions[state.at], decision);
  const parts = [tithe.element("kbd", {}, key), tithe.element("span", {}, text), tithe.element("small", {}, small)];
  const button = tithe.element("button", { type: "button", "aria-pressed": pressed }, ...parts);
  button.addEventListener("click", () => decide(decision));
  return button;
}

function showOther() {
  const chosen = (state.decisions[state.at] || {}).label;
  const none = tithe.element("option", { value: "" }, "–");
  const options = page.classes.map((name, place) => tithe.element("option", { value: place }, name));
  $("other").replaceChildren(none, ...options);
  $("other").selectedIndex = chosen === undefined ? 0 : page.classes.indexOf(chosen) + 1;
}

function showList() {
  const buttons = page.items.map((each, place) => {
    const decision = state.decisions[place];
    const mark = tithe.element("span", {}, decision ? "✓" : "");
    const button = tithe.element("button", { type: "button", "aria-current": place === state.at }, mark,
      tithe.element("span", {}, `${each.labels.join(", ")} → ${outcome(each, decision)}`,
        tithe.element("small", { dir: "auto" }, beginning(each.texts[0]))));
    button.addEventListener("click", () => go(place));
    return tithe.element("li", {}, button);
  });
  $("list").replaceChildren(...buttons);
  const current = buttons[state.at], list = $("list");
  list.scrollTop += current.getBoundingClientRect().top - list.getBoundingClientRect().top - list.clientHeight / 3;
}

const beginning = (text) => Array.from(text.slice(0, 400).replace(/\s+/g, " ").trim()).slice(0, 90).join("");

function outcome(each, decision) {
  if (!decision) return each.kind === "suspect" ? `${each.suggested[0].label}?` : "?";
  if (decision.drop) return tithe.say(SAY.leave);
  return decision.keep ? tithe.say(SAY.right) : decision.label;
}

// Those of earlier files first: one file has all that data.corrections needs.
function corrections() {
  const ofRow = new Map(page.earlier.map((entry) => [entry.row, entry]));
  for (const [place, decision] of Object.entries(state.decisions)) {
    const each = page.items[place];
    for (const { row, text_sha256, label } of each.rows)
      ofRow.set(row, { row, text_sha256, ...(decision.keep ? { label } : decision) });
  }
  return [...ofRow.values()].sort((one, other) => one.row - other.row);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === $("other")) return;
  const letter = KEYS[keyOf(event)];
  const choice = choices().find(({ key }) => key === letter);
  const act = {
    ArrowLeft: () => go(state.at - 1),
    ArrowRight: () => go(state.at + 1),
    Backspace: clear,
    Delete: clear,
    "/": () => $("other").focus(),
  }[event.code === "Slash" ? "/" : event.key] || (choice && (() => decide(choice.decision)));
  if (!act) return;
  event.preventDefault();
  act();
});
$("other").addEventListener("change", () => {
  const label = page.classes[$("other").value];
  if (label === undefined) return;
  $("text").focus();
  decide({ label });
});
$("back").addEventListener("click", () => go(state.at - 1));
$("skip").addEventListener("click", () => go(state.at + 1));
$("clear").addEventListener("click", clear);
$("download").addEventListener("click", () => {
  const text = JSON.stringify({ corrections: corrections() }, null, 1) + "\n";
  kept.download("corrections.json", "application/json", text);
});
document.addEventListener("tithe:language", show);

const kept = keeping("tithe-audit-" + page.key, state, show);
show();
