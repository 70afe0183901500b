// Rows behind a cell of the confusion matrix, and texts of the selection map.
(() => {
  const words = tithe.data("words"), { names, examples } = tithe.data("rows"), panel = document.getElementById("cell");
  const buttons = [...document.querySelectorAll("button[data-label]")];
  let opened = null;

  function verdict(row) {
    const line = tithe.element("p", { class: "verdict" }, tithe.element("bdi", {}, names[row.label]), " → ",
      tithe.element("bdi", {}, names[row.predicted]), " ", tithe.element("span", { class: "quiet" },
        `${row.probability.toFixed(3)} · ${tithe.say(words.row, { row: row.row })}`));
    if (row.suspect) line.append(" ", tithe.element("span", { class: "tag" }, tithe.say(words.suspect)));
    return line;
  }

  function show() {
    for (const button of buttons) button.setAttribute("aria-expanded", String(button === opened));
    panel.hidden = !opened;
    if (!opened) return;
    const [label, predicted, rows] = ["label", "predicted", "rows"].map(name => Number(opened.dataset[name]));
    const own = examples.filter(row => row.label === label && row.predicted === predicted);
    const values = { shown: own.length, rows, label: names[label], predicted: names[predicted] };
    const close = tithe.element("button", { type: "button" }, tithe.say(words.close));
    close.addEventListener("click", () => {
      const before = opened;
      opened = null;
      show();
      before.focus();
    });
    const items = own.map(row => tithe.element("li", {}, verdict(row),
      tithe.element("p", { class: "text", dir: "auto" }, row.text + (row.cut ? "…" : ""))));
    panel.replaceChildren(tithe.element("p", {}, tithe.element("span", {}, tithe.say(words.shown, values)), close),
      tithe.element("ol", { class: "rows" }, ...items));
  }

  for (const button of buttons) button.addEventListener("click", () => {
    opened = opened === button ? null : button;
    show();
  });
  panel.addEventListener("keydown", event => {
    if (event.key === "Escape") panel.querySelector("button").click();
  });
  document.addEventListener("tithe:language", show);

  function drawMap(host, points) {
    const SVG = "http://www.w3.org/2000/svg", EDGE = 20, SIZE = [1000 + 2 * EDGE, 520 + 2 * EDGE];
    const image = document.createElementNS(SVG, "svg"), text = document.getElementById("point");
    const place = ([x, y]) => [EDGE + x, EDGE + (1000 - y) * 0.52];
    const circle = (point, radius, look) => {
      const made = document.createElementNS(SVG, "circle"), [x, y] = place(point.at);
      for (const [name, value] of Object.entries({ cx: x, cy: y, r: radius, class: look })) made.setAttribute(name, value);
      return made;
    };
    const drawn = [...points].sort((one, other) => one.chosen - other.chosen); // chosen ones above the others
    for (const point of drawn) image.append(circle(point, point.chosen ? 5 : 4, point.chosen ? "chosen" : ""));
    image.setAttribute("viewBox", `0 0 ${SIZE[0]} ${SIZE[1]}`);
    image.setAttribute("tabindex", "0");
    image.setAttribute("role", "img");
    let at = -1, ring = null;

    function tell() {
      image.setAttribute("aria-label", tithe.say(words.map));
      ring?.remove();
      text.hidden = at < 0;
      if (at < 0) return;
      const point = drawn[at], state = tithe.say(point.chosen ? words.chosen : words.others);
      ring = circle(point, 9, "at");
      image.append(ring);
      text.replaceChildren(tithe.element("b", {}, tithe.element("bdi", {}, names[point.label])),
        ` · ${state} · ${tithe.say(words.row, { row: point.row })}\n`, tithe.element("bdi", {}, point.text));
    }

    image.addEventListener("pointermove", event => {
      const box = image.getBoundingClientRect(), scale = SIZE[0] / box.width;
      const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      const distances = drawn.map(point => Math.hypot(place(point.at)[0] - x, place(point.at)[1] - y));
      const nearest = distances.indexOf(Math.min(...distances));
      if (distances[nearest] > 30 * scale || nearest === at) return;
      at = nearest;
      tell();
    });
    image.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      at = (at + step + drawn.length) % drawn.length;
      tell();
    });
    document.addEventListener("tithe:language", tell);
    host.append(image);
    tell();
  }

  curves(document.getElementById("curves"), tithe.data("chart"));
  const points = tithe.data("points");
  if (points.length) drawMap(document.getElementById("map"), points);
})();
