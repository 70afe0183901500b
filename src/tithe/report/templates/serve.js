"use strict";
const at = id => document.getElementById(id);
const SAYINGS = tithe.data("sayings");
const SHOWN = 12, STRONGEST = 8;
let running = null, failure = "";

const element = (tag, text, look) => tithe.element(tag, look ? { class: look } : {}, text);

function percent(share) {
  return (100 * share).toFixed(1) + " %";
}

function show(answer, text) {
  tithe.fill(at("label"), answer.abstained ? tithe.say(SAYINGS.none) : String(answer.label));
  at("probability").textContent = percent(answer.probability);
  const notes = [];
  if (answer.abstained) notes.push(tithe.say(SAYINGS.unsure, { label: answer.label }));
  if (answer.truncated) notes.push(tithe.say(SAYINGS.cut));
  tithe.fill(at("note"), notes.join(" "));
  at("note").hidden = !notes.length;
  const ranked = Object.entries(answer.probabilities).sort((one, other) => other[1] - one[1]);
  at("classes").replaceChildren(...ranked.slice(0, SHOWN).map(([name, share]) => {
    const row = document.createElement("li"), name_ = element("span", name), bar = document.createElement("i");
    name_.dir = "auto";
    bar.style.setProperty("--share", percent(share).replace(" ", ""));
    row.append(name_, bar, element("small", percent(share)));
    return row;
  }));
  if (ranked.length > SHOWN) at("classes").append(element("li", tithe.say(SAYINGS.more, { count: ranked.length - SHOWN }), "quiet"));
  at("explained").hidden = !answer.words;
  if (answer.words) explain(answer, text);
  at("result").hidden = false;
}

function explain(answer, text) {
  const characters = Array.from(text), pieces = [];
  const largest = Math.max(...answer.words.map(word => Math.abs(word.weight)), 1e-9);
  let end = 0;
  for (const word of answer.words) {
    pieces.push(characters.slice(end, word.start).join(""));
    const span = element("span", characters.slice(word.start, word.end).join(""), word.weight < 0 ? "against" : "for");
    span.style.setProperty("--share", Math.round(70 * Math.abs(word.weight) / largest) + "%");
    span.title = signed(word.weight);
    pieces.push(span);
    end = word.end;
  }
  pieces.push(characters.slice(end).join(""));
  tithe.fill(at("words"), ...pieces);
  tithe.fill(at("of"), String(answer.label));
  const strongest = [...answer.words].sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
  at("strongest").replaceChildren(...strongest.slice(0, STRONGEST).map(word => {
    const item = element("li", word.word + " ");
    item.append(element("small", signed(word.weight)));
    return item;
  }));
}

function signed(weight) {
  return (weight < 0 ? "−" : "+") + Math.abs(weight).toFixed(2);
}

function fail(sentence) {
  failure = sentence;
  tithe.fill(at("error"), tithe.say(sentence));
  at("error").hidden = false;
  at("result").hidden = true;
}

async function classify() {
  if (running) running.abort();
  const own = running = new AbortController(), text = at("text").value;
  const headers = { "Content-Type": "application/json" };
  if (at("token")) headers.Authorization = "Bearer " + at("token").value;
  at("classify").disabled = true;
  at("error").hidden = true;
  at("result").classList.add("stale");
  try {
    const body = JSON.stringify({ texts: text, explain: at("explain").checked });
    const response = await fetch("predict", { method: "POST", headers, body, signal: own.signal });
    const answer = await response.json();
    if (response.ok) show(answer.predictions[0], text);
    else fail(tithe.refusal(answer));
  } catch (error) {
    if (!own.signal.aborted) fail(SAYINGS.silent);
  } finally {
    if (running === own) {
      running = null;
      at("classify").disabled = false;
      at("result").classList.remove("stale");
    }
  }
}

at("form").addEventListener("submit", event => {
  event.preventDefault();
  classify();
});
document.addEventListener("tithe:language", () => tithe.fill(at("error"), tithe.say(failure)));
at("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    at("form").requestSubmit();
  }
});
at("curl").textContent = `curl ${location.origin}/predict -H 'Content-Type: application/json' \\\n` +
  (at("token") ? "  -H \"Authorization: Bearer $TITHE_TOKEN\" \\\n" : "") + "  -d '{\"texts\": [\"one text\", \"another\"]}'";
