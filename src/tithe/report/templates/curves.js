"use strict";
/* Curves over one x axis, in panels below each other, drawn as SVG: curves(host, chart) returns { update(chart) }.

   chart = {
     axes:   [{ key: "step", label: TEXT }, …],           what x can be; the first one is shown
     panels: [{ label: TEXT, zero: true, least: 0.1,      the y axis begins at 0, and covers so much at least
       curves: [{
         name: TEXT,
         x: { step: [5, 10, …], … },                      ascending, by the key of the axis
         y: [0.7, null, …],                               null where there is no value
         color: 0,                                        its place in the palette of style.css (--curve-0 …), or a color
         look: "line" | "points" | "faint" | "dashed",    "points": line and points; "faint" ones are not named
         hidden: true,                                    at first
       }, …] }, …],
   }
   TEXT is a string or {"en": …, "ru": …}. Curves with the same name are switched together. Pointer: values at x; drag:
   a part of the x axis; double click: all of it. Keys: arrows, Home, End, Escape. */
const curves = (() => {
  const SVG = "http://www.w3.org/2000/svg", LEFT = 54, RIGHT = 14, TOP = 10, HEIGHT = 170, BOTTOM = 26, MOST_POINTS = 80;

  function svg(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  function shown(value) {
    if (value === undefined || value === null || Number.isNaN(value)) return "–";
    const size = Math.abs(value);
    if (size && (size < 1e-3 || size >= 1e6)) return Number(value.toPrecision(3)).toExponential().replace("e+", "e");
    return String(Number(value.toPrecision(4)));
  }

  // Round numbers between low and high: 1, 2 or 5 times a power of ten apart, and at least so far.
  function ticks(low, high, most, least = 0) {
    const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(least, [1, 2, 5, 10].map(each => each * power).find(each => each >= 0.7 * rough));
    const made = [];
    for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-9; place += 1) made.push(place * step);
    return made;
  }

  // The place of the value nearest to x in an ascending list.
  function nearest(xs, x) {
    let low = 0, high = xs.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (xs[middle] < x) low = middle + 1;
      else high = middle;
    }
    return low > 0 && x - xs[low - 1] <= xs[low] - x ? low - 1 : low;
  }

  function extent(lists) {
    let low = Infinity, high = -Infinity;
    for (const list of lists)
      for (const value of list)
        if (value !== null && Number.isFinite(value)) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
    return low <= high ? [low, high] : null;
  }

  function label(x, y, anchor, text) {
    const made = svg("text", { x, y, "text-anchor": anchor });
    made.textContent = text;
    return made;
  }

  const colorOf = curve => typeof curve.color === "string" ? curve.color : `var(--curve-${(curve.color || 0) % 7})`;
  const keyOf = curve => typeof curve.name === "string" ? curve.name : curve.name.en;

  return (host, first) => {
    // The x axis: its key, the part that was chosen, the part that is shown, every x in it, and the one pointed at.
    let chart = first, axis = chart.axes[0].key, zoom = null, limits = [0, 1], stops = [], at = null;
    let drag = null, entries = [], cursors = [], width = 0; // drag: the pixel where it began
    const hidden = new Set();
    const visible = panel => panel.curves.filter(curve => !hidden.has(keyOf(curve)) && curve.x[axis]);
    const toX = x => LEFT + (x - limits[0]) / (limits[1] - limits[0] || 1) * (width - LEFT - RIGHT);
    const fromX = pixel => {
      const x = limits[0] + (pixel - LEFT) / (width - LEFT - RIGHT) * (limits[1] - limits[0]);
      return Math.min(limits[1], Math.max(limits[0], x));
    };

    function draw() {
      width = Math.max(260, host.clientWidth);
      const lists = chart.panels.flatMap(panel => visible(panel).map(curve => curve.x[axis]));
      limits = zoom || extent(lists) || [0, 1];
      stops = [...new Set(lists.flat())].filter(inside).sort((one, other) => one - other);
      [entries, cursors] = [[], []];
      const parts = chart.axes.length > 1 ? [axes()] : [];
      chart.panels.forEach((panel, place) => {
        parts.push(legend(panel), picture(panel, place === chart.panels.length - 1));
      });
      const focused = host.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      host.replaceChildren(...parts);
      if (focused) host.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
      mark();
    }

    const inside = x => x >= limits[0] && x <= limits[1];

    function axes() {
      const buttons = chart.axes.map(({ key, label: text }) => {
        const button = tithe.element("button", { type: "button", "aria-pressed": key === axis, "data-key": "x" + key },
          tithe.say(text));
        button.addEventListener("click", () => {
          axis = key;
          zoom = at = null;
          draw();
        });
        return button;
      });
      return tithe.element("div", { class: "choices", role: "group", "aria-label": "x" }, ...buttons);
    }

    // The curves of a panel with their values; each is a switch.
    function legend(panel) {
      const group = tithe.element("div", { class: "legend" }, tithe.element("b", {}, tithe.say(panel.label)));
      for (const curve of panel.curves.filter(each => each.look !== "faint")) {
        const key = keyOf(curve), value = tithe.element("output"), dot = tithe.element("i");
        const button = tithe.element("button", { type: "button", "aria-pressed": !hidden.has(key),
          "data-key": tithe.say(panel.label) + key }, dot, tithe.element("bdi", {}, tithe.say(curve.name)), value);
        dot.style.background = colorOf(curve);
        button.addEventListener("click", () => {
          if (!hidden.delete(key)) hidden.add(key);
          draw();
        });
        group.append(button);
        entries.push({ curve, value });
      }
      return group;
    }

    function picture(panel, isLast) {
      const height = HEIGHT + (isLast ? BOTTOM : 8), own = visible(panel), toY = scale(panel, own);
      const names = own.map(curve => tithe.say(curve.name)).join(", ");
      const image = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "img",
        "aria-label": `${tithe.say(panel.label)}: ${names}`, "data-key": "svg" + tithe.say(panel.label) });
      for (const y of ticks(toY.low, toY.high, 4)) {
        image.append(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: toY(y), y2: toY(y) }),
          label(LEFT - 8, toY(y) + 4, "end", shown(y)));
      }
      const apart = stops.every(Number.isInteger) ? 1 : 0; // there is no step between two steps
      for (const x of isLast ? ticks(...limits, width < 500 ? 4 : 8, apart) : [])
        image.append(label(toX(x), HEIGHT + 18, "middle", shown(x)));
      const box = [LEFT - 4, 0, width - LEFT - RIGHT + 8, HEIGHT + 4]; // curves do not leave it
      const clip = svg("svg", { x: box[0], y: 0, width: box[2], height: box[3], viewBox: box.join(" ") });
      for (const curve of own) clip.append(...line(curve, toY));
      const cursor = svg("g", { class: "cursor" });
      image.append(clip, cursor);
      for (const entry of entries) if (own.includes(entry.curve)) Object.assign(entry, { cursor, toY });
      cursors.push(cursor);
      listen(image);
      return image;
    }

    // The y axis of a panel: of what is seen of its curves.
    function scale(panel, own) {
      const seen = own.map(curve => curve.y.filter((_, place) => inside(curve.x[axis][place])));
      let [low, high] = extent(seen) || [0, 1];
      if (panel.zero) low = Math.min(0, low);
      const missing = Math.max(0, (panel.least || 0) - (high - low)) / 2;
      [low, high] = [low - missing, high + missing];
      const room = 0.05 * (high - low || Math.abs(high) || 1);
      high += room;
      if (!panel.zero || low < 0) low -= room;
      return Object.assign(y => TOP + (high - y) / (high - low) * (HEIGHT - TOP), { low, high });
    }

    function line(curve, toY) {
      const xs = curve.x[axis], look = curve.look || "line", points = [];
      let path = "", isOpen = false;
      curve.y.forEach((y, place) => {
        const isThere = y !== null && Number.isFinite(y);
        if (isThere) path += `${isOpen ? "L" : "M"}${toX(xs[place]).toFixed(1)} ${toY(y).toFixed(1)}`;
        isOpen = isThere;
        if (isThere && (look === "points" || curve.y.length === 1))
          points.push(svg("circle", { cx: toX(xs[place]), cy: toY(y), r: 3 }));
      });
      const made = [svg("path", { d: path, class: look }), ...(points.length <= MOST_POINTS ? points : [])];
      made.forEach((each, place) => { each.style[place ? "fill" : "stroke"] = colorOf(curve); });
      return made;
    }

    // Show the values at x; where nothing is pointed at, the last ones.
    function mark() {
      for (const cursor of cursors) cursor.replaceChildren();
      for (const { curve, value, cursor, toY } of entries) {
        const xs = cursor ? curve.x[axis] : [], place = at === null ? xs.length - 1 : nearest(xs, at), y = curve.y[place];
        value.textContent = cursor ? shown(y) : "";
        if (at === null || !cursor || !inside(xs[place]) || y === null || y === undefined) continue;
        const point = svg("circle", { cx: toX(xs[place]), cy: toY(y), r: 4 });
        point.style.fill = colorOf(curve);
        cursor.append(point);
      }
      if (at === null) return;
      cursors.forEach((cursor, place) => {
        const x = toX(at);
        if (drag !== null)
          cursor.prepend(svg("rect", { x: Math.min(x, drag), width: Math.abs(x - drag), y: TOP, height: HEIGHT - TOP }));
        cursor.prepend(svg("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT }));
        const isLeft = x < width - 90;
        if (place === 0) cursor.append(label(x + (isLeft ? 6 : -6), TOP + 8, isLeft ? "start" : "end", shown(at)));
      });
    }

    function listen(image) {
      const pixel = event => event.clientX - image.getBoundingClientRect().left;
      image.addEventListener("pointermove", event => {
        const x = fromX(pixel(event));
        at = drag === null && stops.length ? stops[nearest(stops, x)] : x;
        mark();
      });
      image.addEventListener("pointerleave", () => {
        if (drag === null) point(null);
      });
      image.addEventListener("pointerdown", event => {
        if (event.button || event.pointerType === "touch") return;
        image.setPointerCapture(event.pointerId);
        drag = pixel(event);
      });
      image.addEventListener("pointerup", event => {
        const ends = [drag, pixel(event)].sort((one, other) => one - other), isDrawn = drag !== null;
        drag = null;
        if (!isDrawn || ends[1] - ends[0] < 8) return;
        zoom = ends.map(fromX);
        draw();
      });
      image.addEventListener("dblclick", reset);
      image.addEventListener("keydown", event => {
        const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
        if (event.key === "Escape") reset();
        if (!(event.key in steps) || !stops.length) return;
        event.preventDefault();
        const last = stops.length - 1, place = (at === null ? last : nearest(stops, at)) + steps[event.key];
        point(stops[Math.min(last, Math.max(0, place))]);
      });
    }

    function point(x) {
      at = x;
      mark();
    }

    function reset() {
      zoom = at = null;
      draw();
    }

    for (const curve of chart.panels.flatMap(panel => panel.curves)) if (curve.hidden) hidden.add(keyOf(curve));
    host.classList.add("curves");
    new ResizeObserver(() => {
      if (Math.max(260, host.clientWidth) !== width) draw();
    }).observe(host);
    document.addEventListener("tithe:language", draw);
    draw();
    return {
      update(next) {
        chart = next;
        if (!chart.axes.some(({ key }) => key === axis)) axis = chart.axes[0].key;
        draw();
      },
    };
  };
})();
