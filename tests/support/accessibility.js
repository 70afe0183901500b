// What a page lacks for those who see little, by computed styles: [sentence, …]. An expression, for `Tab.js`.
(() => {
  const LEAST = 4.5, LEAST_OF_SHAPES = 3; // contrast of text, of any size; of lines, points, borders, rings of focus
  const found = [], pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();

  // Red, green, blue and alpha of any color that CSS knows.
  function rgba(color) {
    if (!known.has(color)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
      known.set(color, [...pen.getImageData(0, 0, 1, 1).data].map((value, place) => place === 3 ? value / 255 : value));
    }
    return known.get(color);
  }

  const mixed = (top, below, share) => [0, 1, 2].map(place => share * top[place] + (1 - share) * below[place]);
  const over = (color, below) => mixed(rgba(color), below, rgba(color)[3]);
  const opacity = element => Number(getComputedStyle(element).opacity);

  // The color behind what an element holds: that of its ancestors, each over the one before, and its own.
  function ground(element) {
    if (!element) return [255, 255, 255];
    const below = ground(element.parentElement);
    return mixed(over(getComputedStyle(element).backgroundColor, below), below, opacity(element));
  }

  // A color as it is seen on an element: its ancestors may be translucent.
  function seen(color, element) {
    let value = over(color, ground(element));
    for (let each = element; each; each = each.parentElement)
      value = mixed(value, ground(each.parentElement), opacity(each));
    return value;
  }

  function luminance(color) {
    const [red, green, blue] = color.map(value => value / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function contrast(one, other) {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  }

  const called = element => element.tagName.toLowerCase() + (element.id && "#" + element.id)
    + [...element.classList].map(name => "." + name).join("");

  function judge(color, element, text) {
    const value = contrast(seen(color, element), ground(element));
    if (value < LEAST) found.push(`contrast ${value.toFixed(2)} of “${text.trim().slice(0, 40)}” in ${placed(element)}`);
  }

  const placed = element => `${element.parentElement ? called(element.parentElement) + " > " : ""}${called(element)}`;

  // A shape that has to be seen, such as a border, beside what is around the element.
  function judgeShape(color, element, what, around = element.parentElement, share = 1) {
    const below = ground(around), value = contrast(mixed(seen(color, element), below, share), below);
    if (value < LEAST_OF_SHAPES) found.push(`contrast ${value.toFixed(2)} of ${what} of ${placed(element)}`);
  }

  const isSeen = element => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length
    && !element.closest(":disabled");
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data, parentElement: element } = texts.currentNode;
    if (!data.trim() || element.closest("script, style, noscript, option") || !isSeen(element)) continue;
    const style = getComputedStyle(element);
    judge(element instanceof SVGElement ? style.fill : style.color, element, data);
  }
  for (const field of document.querySelectorAll("input, textarea, select")) {
    if (!isSeen(field)) continue;
    judge(getComputedStyle(field).color, field, "what is typed");
    if (field.placeholder) judge(getComputedStyle(field, "::placeholder").color, field, field.placeholder);
  }

  const drawn = color => rgba(color)[3] > 0, one = Number.parseFloat;

  // Lines and points of drawings. Lines of a grid, and raw values behind a smooth line, repeat what is there without them.
  for (const shape of document.querySelectorAll("svg :is(path, line, circle, rect)")) {
    if (!isSeen(shape) || shape.closest(".grid, .faint, .cursor rect")) continue;
    const style = getComputedStyle(shape), isFilled = style.fill !== "none" && drawn(style.fill) && shape.tagName !== "path";
    if (isFilled) judgeShape(style.fill, shape, "the fill", shape.parentElement, one(style.fillOpacity));
    else if (style.stroke !== "none") judgeShape(style.stroke, shape, "the line", shape.parentElement, one(style.strokeOpacity));
  }
  // Marks: dots and bars that hold nothing, and bars at the left edge.
  for (const element of document.body.querySelectorAll("*")) {
    if (!isSeen(element)) continue;
    const style = getComputedStyle(element), before = getComputedStyle(element, "::before");
    const isMarked = before.content === '""' && drawn(before.backgroundColor);
    if (isMarked) judgeShape(before.backgroundColor, element, "the mark", element.parentElement, one(before.opacity));
    else if (element.matches("i:empty, .dot") && drawn(style.backgroundColor)) judgeShape(style.backgroundColor, element, "the dot");
    if (one(style.borderLeftWidth) > 2 && style.borderLeftStyle !== "none") judgeShape(style.borderLeftColor, element, "the edge");
  }
  // Controls: a border, where there is one or where it is all that shows a field, and a ring when the keyboard is there.
  const isNative = element => element.matches("[type=checkbox], [type=radio]");
  for (const control of document.querySelectorAll("button, input, select, textarea")) {
    if (!isSeen(control) || isNative(control)) continue;
    const style = getComputedStyle(control), isLined = one(style.borderTopWidth) > 0 && drawn(style.borderTopColor);
    if (isLined) judgeShape(style.borderTopColor, control, "the border");
    else if (!control.matches("button")) found.push(`no border: ${placed(control)}`);
  }
  const before = document.activeElement;
  for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")) {
    if (!isSeen(element) || element.tabIndex < 0) continue;
    element.focus({ preventScroll: true, focusVisible: true });
    const style = getComputedStyle(element);
    if (document.activeElement !== element) continue; // it gave the focus to another one
    if (style.outlineStyle === "none" || one(style.outlineWidth) < 2) found.push(`no ring of focus: ${placed(element)}`);
    else judgeShape(style.outlineColor, element, "the ring");
  }
  before.focus({ preventScroll: true });
  if (before === document.body) document.activeElement.blur();

  for (const picture of document.images) if (!picture.alt.trim()) found.push(`no alt text: ${called(picture)}`);
  for (const drawing of document.querySelectorAll("svg, canvas"))
    if (!drawing.parentElement.closest("svg") && !(drawing.role === "img" && drawing.ariaLabel?.trim()))
      found.push(`no label: ${called(drawing)}`);
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of new Set(ids)) if (ids.filter(each => each === id).length > 1) found.push(`an id twice: ${id}`);
  if (!["en", "ru"].includes(document.documentElement.lang)) found.push("no language");
  return [...new Set(found)];
})()
