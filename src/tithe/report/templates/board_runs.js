// What is chosen: curves over each other, the comparison, one run in detail; and the teacher's view.
const points = new Map(), fetching = new Map(); // by id: the points of its curves so far
let chart = null, detailed = "", studentRows = [], studentSort = ["student", false], due = null;
const MOST_POINTS = 600, WINDOW = 11, MOST_FAINT = 3; // as in a comparison: the line is the running median

// The answer to a path; what goes wrong is thrown as the sentence to show.
async function ask(path) {
  let response, answer;
  try {
    response = await fetch(path);
    answer = await response.json();
  } catch (error) {
    throw words.lost;
  }
  if (!response.ok) throw tithe.refusal(answer);
  return answer;
}

const chosenRows = () => view.chosen.map(id => rows.get(id)).filter(Boolean);
const color = id => `var(--curve-${view.chosen.indexOf(id) % 7})`;

function choose(id, isChosen) {
  view.chosen = view.chosen.filter(each => each !== id);
  fail(null);
  if (isChosen && view.chosen.length < MOST_CHOSEN) view.chosen.push(id);
  else if (isChosen) fail(words.too_many, { most: MOST_CHOSEN });
  if (!at("comparison").hidden) at("comparison").hidden = true;
  paint();
  showChosen();
}

// Show what went wrong, a sentence, until something else is asked for.
function fail(sentence, values) {
  failure = sentence && [sentence, values];
  drawMessage();
}

function showChosen() {
  const shown = chosenRows();
  at("chosen").hidden = !shown.length;
  at("compare").disabled = shown.filter(({ kind }) => kind === "run").length < 2;
  at("names").replaceChildren(...shown.map(row => {
    const button = element("button", { type: "button", "aria-label": word("remove", { name: row.name }) }, "×");
    button.addEventListener("click", () => choose(row.id, false));
    const dot = element("i", {});
    dot.style.background = color(row.id);
    return element("li", {}, dot, row.name, button);
  }));
  for (const row of shown) if (row.has.includes("curves")) update(row.id);
  drawCurves();
}

// ---- curves

// Ask for the points that are new; those of a rewritten file replace all.
async function update(id) {
  if (fetching.has(id)) return fetching.set(id, true); // once more, when that is done
  try {
    let more = true;
    while ((more || fetching.get(id)) && view.chosen.includes(id)) {
      fetching.set(id, false);
      const own = points.get(id), from = own ? `?file=${own.file}&start=${own.next}` : "";
      const answer = await ask(`run/${id}/points${from}`);
      if (own && !answer.is_new)
        for (const kind of ["train", "val"])
          for (const [name, values] of Object.entries(answer[kind])) own[kind][name].push(...values);
      points.set(id, { ...(own && !answer.is_new ? own : answer), file: answer.file, next: answer.next });
      more = answer.more;
    }
    drawCurves();
  } catch (error) {
    points.delete(id); // gone, or not begun: the row says so
  } finally {
    fetching.delete(id);
  }
}

// Of many points, the middle one of as many at a time.
function thinned(x, y) {
  const size = Math.ceil(x.length / MOST_POINTS);
  if (size < 2) return { x, y };
  const made = { x: [], y: [] };
  for (let start = 0; start < x.length; start += size) {
    made.x.push(x[Math.min(start + size, x.length) - 1]);
    made.y.push(median(y.slice(start, start + size)));
  }
  return made;
}

function median(values) {
  const known = values.filter(value => value !== null).sort((one, other) => one - other);
  return known.length ? known[known.length >> 1] : null;
}

function running(ys) {
  const half = Math.max(WINDOW, Math.min(101, Math.floor(ys.length / 50))) >> 1;
  return ys.length < 2 * WINDOW ? ys : ys.map((_, place) => median(ys.slice(Math.max(0, place - half), place + half + 1)));
}

function losses(shown) {
  const faint = shown.length <= MOST_FAINT ? shown : [], of = row => points.get(row.id).train;
  return [...faint.map(row => curve(row, of(row).step, of(row).loss, "faint")),
    ...shown.map(row => curve(row, of(row).step, running(of(row).loss), "line"))];
}

function curve(row, xs, ys, look) {
  const { x: step, y } = thinned(xs, ys), { val } = points.get(row.id), x = { step };
  if (val.epoch.length) { // steps of an epoch, by the first one that ended
    const whole = val.step[0] / val.epoch[0];
    x.epoch = step.map(each => each / whole);
  }
  return { name: row.name, x, y, look, color: view.chosen.indexOf(row.id) % 7 };
}

function drawCurves() {
  const shown = chosenRows().filter(({ id }) => points.has(id));
  at("curves").hidden = !shown.length;
  if (!shown.length) return;
  const of = id => points.get(id), score = shown[0].facts.score === "accuracy" ? "accuracy" : "f1";
  const checks = name => shown.map(row => curve(row, of(row.id).val.step, of(row.id).val[name], "points"));
  const next = {
    axes: [{ key: "step", label: words.step }, { key: "epoch", label: words.epoch }],
    panels: [
      { label: words.training_loss, curves: losses(shown) },
      { label: words.validation_loss, curves: checks("loss") },
      { label: { en: words.validation_score.en.replace("{score}", score), ru: words.validation_score.ru.replace("{score}", score) }, curves: checks(score) },
    ],
  };
  if (chart) chart.update(next);
  else chart = curves(at("curves"), next);
}

// ---- comparison

function showComparison() {
  const ids = chosenRows().filter(({ kind }) => kind === "run").map(({ id }) => "run=" + id);
  at("comparison").hidden = false;
  at("compared").contentWindow.location.replace("compare?" + ids.join("&")); // no step of the browser's way back
  at("comparison").scrollIntoView({ behavior: "smooth" });
}

function fitComparison() {
  const inside = at("compared").contentDocument;
  if (!inside?.body) return;
  inside.documentElement.lang = document.documentElement.lang; // it follows this page
  inside.getElementById("language")?.remove();
  at("compared").style.height = Math.max(200, inside.documentElement.scrollHeight + 4) + "px";
}

// ---- one run

function showDetails(id) {
  detailed = id;
  drawDetails();
  at("details").focus({ preventScroll: true });
  at("details").scrollIntoView({ behavior: "smooth" });
}

function pair(name, value) {
  return element("tr", {}, element("td", {}, name), element("td", {}, value));
}

function drawDetails() {
  const row = rows.get(detailed);
  at("details").hidden = !row;
  if (!row) return;
  const close = element("button", { type: "button", class: "plain" }, word("close"));
  close.addEventListener("click", () => {
    at("details").hidden = true;
    detailed = "";
    built.get(row.id)?.made.querySelector("input").focus();
  });
  const heading = element("div", { class: "row" }, element("h2", {}, row.name), close);
  const state = element("span", { class: "state " + row.state }, word(row.state));
  const results = RESULTS.filter(column => !["–", ""].includes(column.text(row))).map(column => pair(word(column.key), column.text(row)));
  const facts = element("table", { class: "facts" }, element("tbody", {},
    pair(word("state"), state), pair(word("folder"), row.folder), ...results));
  const parts = [heading];
  if (say(row.problem)) parts.push(element("p", {}, say(row.problem)));
  if (row.has.includes("report")) {
    const link = element("a", { href: `run/${row.id}/report`, target: "_blank", rel: "noopener" }, word("report"));
    parts.push(element("ul", { class: "links" }, element("li", {}, link)));
  }
  parts.push(facts);
  const keys = Object.entries(row.settings);
  if (keys.length) {
    const table = element("table", { class: "facts" }, element("tbody", {}, ...keys.map(([key, value]) => pair(key, setting(value)))));
    parts.push(element("details", {}, element("summary", {}, word("settings")), table));
  }
  const map = element("div", { class: "map" }), pictures = element("div", {});
  at("details").replaceChildren(...parts, map, pictures);
  const instead = host => sentence => host.replaceChildren(element("p", { class: "quiet" }, say(sentence)));
  if (row.has.includes("map")) ask(`run/${row.id}/map`).then(answer => drawMap(map, answer), instead(map));
  if (row.facts.task === "image")
    ask(`run/${row.id}/pictures`).then(answer => drawPictures(pictures, row.id, answer), instead(pictures));
}

function drawPictures(host, id, listed) {
  if (!listed.length) return;
  const made = listed.map(({ file, why, label }, number) => {
    const picture = element("img", { loading: "lazy", alt: file, src: `run/${id}/pictures/${number}` });
    return element("li", {}, picture, element("small", {}, file), element("small", {}, [say(why), label].filter(Boolean).join(", ")));
  });
  host.replaceChildren(element("h2", {}, word("pictures")), element("ul", { class: "pictures" }, ...made));
}

function drawMap(host, { x, y, chosen, label, text }) {
  const canvas = element("canvas", { tabindex: 0, role: "img", "aria-label": word("map_label", { count: x.length }) });
  const output = element("output", { dir: "auto" }, word("hover")), style = getComputedStyle(document.documentElement);
  const legend = element("p", { class: "legend quiet" }, ...["others", "chosen"].map(name => {
    const dot = element("i", {});
    dot.style.background = `var(${name === "chosen" ? "--curve-1" : "--mild"})`;
    return element("span", {}, dot, word(name));
  }));
  host.replaceChildren(element("h2", {}, word("map")), legend, canvas, output);
  const [left, right, low, high] = [Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)];
  let at_ = -1;
  const place = number => [
    12 + (x[number] - left) / (right - left || 1) * (canvas.clientWidth - 24),
    12 + (high - y[number]) / (high - low || 1) * (canvas.clientHeight - 24),
  ];

  function paintMap() {
    const scale = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    pen.scale(scale, scale);
    for (const isChosen of [false, true]) {
      pen.fillStyle = style.getPropertyValue(isChosen ? "--curve-1" : "--mild");
      for (let number = 0; number < x.length; number += 1) {
        if (chosen[number] !== isChosen) continue;
        pen.beginPath();
        pen.arc(...place(number), isChosen ? 3 : 2.2, 0, 7);
        pen.fill();
      }
    }
    if (at_ < 0) return;
    pen.strokeStyle = style.getPropertyValue("--ink");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(...place(at_), 6, 0, 7);
    pen.stroke();
  }

  function read(number) {
    at_ = number;
    tithe.fill(output, element("b", {}, label[number]), ` · ${word(chosen[number] ? "chosen" : "others")}\n`, text[number]);
    paintMap();
  }

  canvas.addEventListener("pointermove", event => {
    let nearest = -1, least = 18 ** 2;
    for (let number = 0; number < x.length; number += 1) {
      const [across, down] = place(number), distance = (across - event.offsetX) ** 2 + (down - event.offsetY) ** 2;
      if (distance < least) [nearest, least] = [number, distance];
    }
    if (nearest >= 0 && nearest !== at_) read(nearest);
  });
  const across = [...x.keys()].sort((one, other) => x[one] - x[other]);
  canvas.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const now = across.indexOf(at_);
    read(across[Math.min(across.length - 1, Math.max(0, now + step))]);
  });
  new ResizeObserver(paintMap).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintMap);
}

// ---- students

async function showStudents() {
  const by = at("by").value;
  at("csv").href = "students.csv?by=" + by;
  try {
    studentRows = await ask("students?by=" + by);
    drawStudents();
  } catch (sentence) {
    fail(sentence);
  }
}

const isNumeric = name => studentRows.some(line => typeof line[name] === "number");

function studentCell(name, value) {
  const text = name === "last_change" ? moment(value) : name === "freeze" && value ? word(value)
    : typeof value === "number" ? number(value) : value === null || value === undefined ? "–" : String(value);
  const made = element("td", {}, text);
  if (isNumeric(name)) made.className = "number";
  return made;
}

function drawStudents() {
  const names = Object.keys(studentRows[0] || {}), [key, isDown] = studentSort, sign = isDown ? -1 : 1;
  const lines = [...studentRows].sort((one, other) => (one[key] === null) - (other[key] === null) || sign * compare(one[key], other[key]));
  const heads = names.map(name => {
    const button = element("button", { type: "button" }, word(name)), made = element("th", { scope: "col" }, button);
    if (isNumeric(name)) made.className = "number";
    if (name === key) made.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    button.addEventListener("click", () => {
      studentSort = [name, name === key ? !isDown : isNumeric(name)];
      drawStudents();
    });
    return made;
  });
  const table = at("students").querySelector("table");
  table.tHead.replaceChildren(element("tr", {}, ...heads));
  table.tBodies[0].replaceChildren(...lines.map(line => element("tr", {}, ...names.map(name => studentCell(name, line[name])))));
}

function show(name) {
  for (const each of ["runs", "students"]) {
    at(each).hidden = each !== name;
    at("show-" + each).setAttribute("aria-pressed", each === name);
  }
  document.body.dataset.view = name;
  for (const id of ["filter", "state", "columns"]) at(id).hidden = name !== "runs";
  if (name === "students") showStudents();
}

// ---- what changes

function rowsChanged(changed) {
  for (const id of view.chosen) if (changed.has(id) && rows.get(id)?.has.includes("curves")) update(id);
  if (view.chosen.some(id => changed.has(id))) showChosen();
  if (changed.has(detailed) && rows.get(detailed)?.state !== "running") drawDetails();
  if (!at("students").hidden && changed.size) {
    clearTimeout(due);
    due = setTimeout(showStudents, 500);
  }
}

function speak() {
  at("by").replaceChildren(...["name", "folder"].map(by => element("option", { value: by }, word("by_" + by))));
  fillStates();
  paint();
  showChosen();
  drawDetails();
  drawStudents();
  fitComparison();
  drawMessage();
}

document.addEventListener("DOMContentLoaded", () => {
  restore();
  at("filter").value = view.filter;
  speak();
  at("filter").addEventListener("input", () => { view.filter = at("filter").value; paint(); });
  at("state").addEventListener("change", () => { view.state = at("state").value; paint(); });
  at("by").addEventListener("change", showStudents);
  at("compare").addEventListener("click", showComparison);
  at("clear").addEventListener("click", () => { view.chosen = []; fail(null); paint(); showChosen(); at("comparison").hidden = true; });
  at("compared").addEventListener("load", fitComparison);
  for (const name of ["runs", "students"]) at("show-" + name).addEventListener("click", () => show(name));
  at("table").querySelector("tbody").addEventListener("keydown", move);
  document.addEventListener("keydown", event => {
    if (event.key !== "/" || event.target.matches("input[type='search'], select")) return;
    event.preventDefault();
    at("filter").focus();
  });
  document.addEventListener("tithe:language", speak);
  connect();
});
