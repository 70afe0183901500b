// The table: rows as the server streams them, sorted and filtered here, with the settings in which they differ.
const at = id => document.getElementById(id), { say, element } = tithe, words = tithe.data("words");
const word = (name, values) => words[name] ? say(words[name], values) : name;
const MOST_COLUMNS = 10, MOST_CHOSEN = 12, LONGEST = 32, PAUSE = 1500;
const rows = new Map(), built = new Map(); // by id: what the server says, and the row of the table that shows it
const view = { sort: "changed", down: true, filter: "", state: "", on: [], off: [], chosen: [] };
const untouched = JSON.stringify(view);
let version = "", stream = null, status = { is_ready: false, is_whole: true }, columns = [], order = [], current = "";
let painting = false, look = "", drawn = -Infinity, isLive = true, failure = null;

// ---- what a cell shows

function number(value, digits = 4) {
  return value === null || value === undefined ? "–" : Number.isInteger(value) ? String(value) : value.toFixed(digits);
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return word("seconds", { seconds: seconds.toFixed(1) });
  const minutes = Math.floor(Math.round(seconds) / 60), rest = String(Math.round(seconds) % 60).padStart(2, "0");
  if (minutes < 60) return word("minutes", { minutes, seconds: rest });
  return word("hours", { hours: Math.floor(minutes / 60), minutes: String(minutes % 60).padStart(2, "0") });
}

function moment(seconds) {
  return seconds ? new Date(1000 * seconds).toLocaleString("sv").slice(0, 16) : "–"; // 2026-11-29 18:05 in any language
}

function setting(value) {
  if (value === null) return word("unset");
  if (typeof value === "boolean") return word(value ? "yes" : "no");
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  return typeof value === "string" ? value : JSON.stringify(value);
}

function epochs(row) {
  const { epochs: done, planned, trials, early } = row.facts;
  if (trials !== undefined) return word("trials", { count: trials });
  if (done === undefined) return "–";
  return done === planned || early ? String(done) : word("of_epochs", { done, planned });
}

function tested(row) {
  const { strategy, random, test } = row.facts;
  if (strategy) return word("best", { strategy, score: number(test), random: number(random) });
  return number(test);
}

const scored = row => row.facts.validation === undefined || row.facts.validation === null ? "–" : `${number(row.facts.validation)} ${row.facts.score}`;
const fact = name => row => row.facts[name];
const FIXED = [
  { key: "name", value: row => row.name.toLowerCase() },
  { key: "state", value: row => row.state },
];
const RESULTS = [
  { key: "validation", value: fact("validation"), text: scored, isNumber: true },
  { key: "test", value: fact("test"), text: tested, isNumber: true },
  { key: "epochs", value: row => row.facts.epochs ?? row.facts.trials, text: epochs, isNumber: true },
  { key: "steps", value: fact("steps"), text: row => number(row.facts.steps), isNumber: true },
  { key: "loss", value: fact("loss"), text: row => number(row.facts.loss), isNumber: true },
  { key: "time", value: fact("seconds"), text: row => duration(row.facts.seconds), isNumber: true },
  { key: "rows", value: fact("rows"), text: row => number(row.facts.rows), isNumber: true },
  { key: "freeze", value: fact("freeze"), text: row => word(row.facts.freeze || "–") },
  { key: "changed", value: row => row.changed, text: row => moment(row.changed), isNumber: true },
];

// ---- which columns there are

// The settings that differ, in the order of the config, each with the number of runs that are unlike most.
function differing() {
  const seen = new Map();
  for (const row of rows.values())
    if (row.kind === "run")
      for (const [key, text] of row.texts) {
        if (!seen.has(key)) seen.set(key, new Map());
        seen.get(key).set(text, (seen.get(key).get(text) || 0) + 1);
      }
  const counts = [...seen].filter(([, values]) => values.size > 1).map(([key, values]) => [key, [...values.values()]]);
  return counts.map(([key, own]) => [key, own.reduce((sum, count) => sum + count) - Math.max(...own)]);
}

function settingColumn(key) {
  const value = row => {
    const own = row.settings[key];
    return typeof own === "number" || own === undefined ? own : setting(own).toLowerCase();
  };
  const text = row => key in row.settings ? setting(row.settings[key]) : row.kind === "run" && Object.keys(row.settings).length ? word("no_effect") : "";
  return { key, value, text, isSetting: true };
}

function chooseColumns() {
  const found = differing(), keys = found.map(([key]) => key);
  const most = new Set([...found].sort((one, other) => other[1] - one[1]).slice(0, MOST_COLUMNS).map(([key]) => key));
  const isShown = key => view.on.includes(key) || (most.has(key) && !view.off.includes(key));
  const results = RESULTS.filter(({ key }) => !view.off.includes(key));
  columns = [...FIXED, ...results.slice(0, 2), ...keys.filter(isShown).map(settingColumn), ...results.slice(2)];
  const all = [...keys.map(key => [key, isShown(key)]), ...RESULTS.map(({ key }) => [key, !view.off.includes(key)])];
  const signature = JSON.stringify([all, document.documentElement.lang]);
  if (at("column-list").dataset.of === signature) return;
  at("column-list").dataset.of = signature;
  at("column-list").replaceChildren(...all.map(([key, isOn]) => {
    const box = element("input", { type: "checkbox" });
    box.checked = isOn;
    box.addEventListener("change", () => {
      view.on = view.on.filter(each => each !== key);
      view.off = view.off.filter(each => each !== key);
      view[box.checked ? "on" : "off"].push(key);
      paint();
    });
    return element("label", {}, box, word(key));
  }));
}

// ---- filter and order

function fits(row) {
  if (view.state && row.state !== view.state) return false;
  if (!view.filter) return true;
  const text = [row.name, row.folder, row.label, row.kind, word(row.kind), say(row.problem),
    ...Object.values(row.settings).map(setting)].join(" ").toLowerCase();
  return view.filter.toLowerCase().split(/\s+/).filter(Boolean).every(part => {
    const test = part.match(/^([\w.]+)(<=|>=|<|>|=)(.+)$/);
    return test ? compares(row, ...test.slice(1)) : text.includes(part);
  });
}

// A setting that is no column, because all runs agree or because others differ more, is asked about like any other.
function compares(row, name, sign, wanted) {
  const isAsked = key => key === name || key.endsWith("." + name), column = columns.find(({ key }) => isAsked(key));
  const key = column ? "" : Object.keys(row.settings).find(isAsked);
  const value = column ? column.value(row) : key && settingColumn(key).value(row);
  if (value === null || value === undefined) return false;
  if (sign === "=") return String(value).toLowerCase() === wanted;
  return { "<": value < Number(wanted), ">": value > Number(wanted), "<=": value <= Number(wanted), ">=": value >= Number(wanted) }[sign];
}

function compare(one, other) {
  if (one === other) return 0;
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
}

function sorted(shown) {
  const { value } = columns.find(({ key }) => key === view.sort) || FIXED[0], sign = view.down ? -1 : 1;
  const lacks = row => value(row) === null || value(row) === undefined;
  return shown.sort((one, other) => lacks(one) - lacks(other) || (lacks(one) ? 0 : sign * compare(value(one), value(other)))
    || one.folder.localeCompare(other.folder, undefined, { numeric: true }));
}

// ---- drawing

function head() {
  return element("tr", {}, element("th", {}), ...columns.map(({ key, isNumber }) => {
    const button = element("button", { type: "button", title: word(key) }, short(key)), cell = element("th", { scope: "col" }, button);
    if (isNumber) cell.className = "number";
    if (view.sort === key) cell.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    button.dataset.key = key;
    button.addEventListener("click", () => {
      view.down = view.sort === key ? !view.down : Boolean(isNumber);
      view.sort = key;
      paint();
    });
    return cell;
  }));
}

// A setting without its section, where no other column has that name.
function short(key) {
  const name = key.split(".").pop();
  return columns.filter(column => column.key.split(".").pop() === name).length > 1 ? key : word(name);
}

function shortened(text) {
  return text.length <= LONGEST ? text : "…" + text.slice(1 - LONGEST);
}

function cell(row, column) {
  if (column.key === "name") return nameCell(row);
  if (column.key === "state") {
    const state = element("td", {}, element("span", { class: "state " + row.state }, word(row.state)));
    state.title = tithe.visible(say(row.problem));
    return state;
  }
  const text = column.text(row), made = element("td", {}, shortened(text));
  if (text.length > LONGEST) made.title = tithe.visible(text);
  if (column.isNumber || typeof column.value(row) === "number") made.classList.add("number");
  if (text === "–" || (column.isSetting && !(column.key in row.settings))) made.classList.add("off");
  return made;
}

function nameCell(row) {
  const button = element("button", { type: "button", tabindex: -1 }, row.name);
  button.addEventListener("click", () => showDetails(row.id));
  const made = element("td", { class: "name" }, button);
  if (row.kind !== "run") made.append(element("span", { class: "kind" }, word(row.kind)));
  const under = say(row.problem) || (row.folder === row.name || row.folder === "." ? "" : row.folder);
  if (under) made.append(element("small", {}, under));
  return made;
}

function build(row) {
  const box = element("input", { type: "checkbox", tabindex: -1, "aria-label": word("choose", { name: row.name }) });
  box.checked = view.chosen.includes(row.id);
  box.addEventListener("change", () => choose(row.id, box.checked));
  box.addEventListener("focus", () => { setCurrent(row.id); });
  const made = element("tr", {}, element("td", {}, box), ...columns.map(column => cell(row, column)));
  made.classList.toggle("chosen", box.checked);
  made.dataset.id = row.id;
  return made;
}

function setCurrent(id) {
  for (const [each, tabindex] of [[current, -1], [id, 0]]) {
    const box = built.get(each)?.made.querySelector("input");
    if (box) box.tabIndex = tabindex;
  }
  current = id;
}

function draw() {
  painting = false;
  drawn = performance.now();
  chooseColumns();
  const now = JSON.stringify([columns.map(({ key }) => key), view.sort, view.down, document.documentElement.lang]);
  const focused = document.activeElement, table = at("table");
  if (now !== look) {
    look = now;
    built.clear();
    const key = focused?.closest?.("thead")?.contains(focused) && focused.dataset.key;
    table.querySelector("thead").replaceChildren(head());
    if (key) table.querySelector(`thead [data-key="${CSS.escape(key)}"]`)?.focus();
  }
  order = sorted([...rows.values()].filter(fits));
  const body = table.querySelector("tbody"), hadFocus = body.contains(focused) && focused.matches("input");
  const lines = order.map(row => {
    const kept = built.get(row.id), isChosen = view.chosen.includes(row.id);
    if (kept?.row === row && kept.isChosen === isChosen) return kept.made;
    const made = build(row);
    built.set(row.id, { row, isChosen, made });
    return made;
  });
  if (lines.length !== body.children.length || lines.some((line, place) => body.children[place] !== line)) body.replaceChildren(...lines);
  if (!order.some(row => row.id === current)) current = order[0]?.id || "";
  setCurrent(current);
  if (hadFocus && document.activeElement !== focused) built.get(current)?.made.querySelector("input").focus();
  say_count();
  keep();
}

function say_count() {
  const parts = [rows.size || status.is_ready ? word("shown", { shown: order.length, all: rows.size }) : word("looking")];
  if (status.is_ready && !rows.size) parts[0] = word("empty");
  else if (rows.size && !order.length) parts.push(word("nothing"));
  if (!status.is_whole) parts.push(word("partial"));
  at("count").textContent = parts.join(" · ");
}

// Draw before the next picture, once.
function paint() {
  if (!painting) requestAnimationFrame(draw);
  painting = true;
}

// What is chosen and shown is in the address: a link, and the way back, keep it.
function keep() {
  const text = JSON.stringify(view);
  history.replaceState(null, "", text === untouched ? location.pathname : "#" + encodeURIComponent(text));
}

function restore() {
  try {
    const kept = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    for (const [key, value] of Object.entries(kept)) if (typeof value === typeof view[key]) view[key] = value;
    for (const key of ["on", "off", "chosen"]) view[key] = [...view[key]].filter(each => typeof each === "string");
  } catch (error) {
    // an address of the user's own
  }
}

// ---- the stream

function receive(event) {
  const update = JSON.parse(event.data), changed = new Set();
  version = event.lastEventId;
  status = update;
  if (update.is_all) {
    const now = new Set(update.rows.map(({ id }) => id));
    for (const id of [...rows.keys()]) if (!now.has(id)) rows.delete(id);
  }
  for (const row of update.rows) {
    changed.add(row.id);
    if (row.gone) rows.delete(row.id);
    else rows.set(row.id, { ...row, texts: Object.entries(row.settings).map(([key, value]) => [key, JSON.stringify(value)]) });
  }
  live(true);
  // While the folder is looked through, the columns change with every batch of rows: they are drawn now and then.
  if (status.is_ready || performance.now() > drawn + PAUSE) paint();
  rowsChanged(changed);
}

function live(isOn) {
  isLive = isOn;
  drawMessage();
}

function drawMessage() {
  at("live").classList.toggle("on", isLive);
  at("live").textContent = isLive ? word("live") : "–";
  const [sentence, values] = isLive ? failure || [] : [words.lost];
  at("message").hidden = !sentence;
  tithe.fill(at("message"), sentence ? say(sentence, values) : "");
}

function connect() {
  stream?.close();
  stream = new EventSource("events?after=" + encodeURIComponent(version));
  stream.onopen = () => live(true);
  stream.onmessage = receive;
  stream.onerror = () => {
    live(false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

// A page that nobody sees keeps no connection: a browser has only six for a server.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stream?.close();
  else connect();
});

function move(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
  if (event.key === "Enter") return showDetails(current);
  if (!(event.key in steps) || !order.length) return;
  event.preventDefault();
  const place = order.findIndex(({ id }) => id === current);
  const next = order[Math.min(order.length - 1, Math.max(0, place + steps[event.key]))];
  setCurrent(next.id);
  built.get(next.id).made.querySelector("input").focus();
}

function fillStates() {
  const names = ["running", "finished", "stopped", "broken", "foreign"];
  at("state").replaceChildren(element("option", { value: "" }, word("any")),
    ...names.map(name => element("option", { value: name }, word(name))));
  at("state").value = view.state;
}
