"use strict";
// Two pictures: side by side, under a slider, in turn, and by what differs.

const comparing = byId("compare");
let sides = [];
let mode = "side";

function sideOf(asset) {
  return { asset, places: placesOf(asset.picture - 1, asset.file), name: asset.name };
}

function compareEarlier(asset, number) {
  const at = asset.earlier.find(([old]) => old === number);
  const old = { asset: null, places: placesOf(number, ""), name: asset.name + ", before" + (at && at[1] ? " (" + moment(at[1]) + ")" : "") };
  openCompare(old, sideOf(asset));
}

function openCompare(left, right) {
  sides = [left, right];
  drawCompare();
  if (!comparing.open) {
    comparing.showModal();
    comparing.querySelector(`[data-mode="${mode}"]`).focus();
  }
}

comparing.addEventListener("close", () => {
  const asset = sides[1]?.asset || sides[0]?.asset;
  sides = [];
  if (!viewer.open && asset) focusTile(asset);
});

function choose(next) {
  mode = next;
  drawCompare();
  comparing.querySelector(`[data-mode="${next}"]`).focus();
}

function turn() {
  const shownNow = comparing.querySelector(".turns");
  if (!shownNow) return;
  shownNow.classList.toggle("second");
  const name = sides[shownNow.classList.contains("second") ? 1 : 0].name;
  comparing.querySelector(".turn-name").textContent = name;
  say(name);
}

function swap() {
  sides.reverse();
  drawCompare();
}

function half(side, attributes) {
  return el("figure", attributes || {}, el("div", { class: "canvas" + (side.asset?.alpha ? " alpha" : "") }, picture(side.places, side.name, {})), el("figcaption", { dir: "auto" }, side.name));
}

const MODES = {
  side: { words: "Side by side", draw: () => el("div", { class: "sides" }, half(sides[0]), half(sides[1])) },
  slider: { words: "Slider", draw: drawSlider },
  turns: { words: "In turn", draw: () => el("div", { class: "turns", onclick: turn }, el("div", { class: "layers" }, picture(sides[0].places, sides[0].name, {}), picture(sides[1].places, sides[1].name, {})), el("p", { class: "turn-name", dir: "auto" }, sides[0].name)) },
  difference: { words: "Difference", draw: () => el("div", { class: "difference" }, el("div", { class: "layers" }, picture(sides[0].places, sides[0].name, {}), picture(sides[1].places, sides[1].name, {})), el("p", {}, "Black where both are the same")) },
};

function drawSlider() {
  const upper = picture(sides[1].places, sides[1].name, { class: "upper" });
  const layers = el("div", { class: "layers" }, picture(sides[0].places, sides[0].name, {}), upper, el("i", { class: "edge" }));
  const range = el("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "Left of the edge: " + sides[0].name + "; right of it: " + sides[1].name });
  const move = () => {
    layers.style.setProperty("--edge", range.value + "%");
    range.setAttribute("aria-valuetext", range.value + " percent of the first");
  };
  const drag = (event) => {
    if (!event.buttons) return;
    const box = layers.getBoundingClientRect();
    range.value = String(Math.round(((event.clientX - box.left) / box.width) * 100));
    move();
    event.preventDefault();
  };
  layers.addEventListener("pointerdown", drag);
  layers.addEventListener("pointermove", drag);
  layers.addEventListener("dragstart", (event) => event.preventDefault());
  range.addEventListener("input", move);
  move();
  return el("div", { class: "slider" }, layers, range, el("p", { class: "ends" }, el("span", { dir: "auto" }, sides[0].name), el("span", { dir: "auto" }, sides[1].name)));
}

/** What the two requests say differently. */
function differencesOf(left, right) {
  const stories = [storyOf(left), storyOf(right)];
  if (!stories[0] || !stories[1]) return [];
  const rows = [["model", modelOf(left), modelOf(right)], ["asked", stories[0].asked, stories[1].asked], ["prompt", stories[0].prompt, stories[1].prompt]];
  const params = stories.map((story) => new Map(story.params || []));
  for (const name of new Set([...params[0].keys(), ...params[1].keys()])) rows.push([name, params[0].get(name), params[1].get(name)]);
  const pixels = (asset) => (asset.size || []).join(" × ");
  rows.push(["pixels", pixels(left), pixels(right)], ["cost", money(left.usd), money(right.usd)]);
  return rows.filter(([, one, other]) => (one || "") !== (other || ""));
}

/** A text in words, also where no spaces stand between them. */
const wording = window.Intl?.Segmenter && new Intl.Segmenter(undefined, { granularity: "word" });
function wordsIn(text) {
  return wording ? Array.from(wording.segment(text), ({ segment }) => segment) : text.split(/(?<=\s)|(?=\s)/u);
}

/** Two texts with what only one of them says marked, word by word: what they begin and end with alike is set aside, and
 * where too much is left to hold each word against each, nothing is marked. */
function marked(text, other) {
  const [words, theirs] = [wordsIn(text || ""), wordsIn(other || "")];
  const shorter = Math.min(words.length, theirs.length);
  let start = 0;
  while (start < shorter && words[start] === theirs[start]) start++;
  let end = 0;
  while (end < shorter - start && words.at(-1 - end) === theirs.at(-1 - end)) end++;
  const runs = runsOf(words.slice(start, words.length - end), theirs.slice(start, theirs.length - end));
  return [words.slice(0, start).join(""), ...runs.map(({ only, said }) => (only ? el("mark", {}, said) : said)), words.slice(words.length - end).join("")];
}

/** Words in runs: those that the other text has too, and those that this one has alone. */
function runsOf(words, theirs) {
  if (words.length * theirs.length > 2_000_000) return [{ only: false, said: words.join("") }];
  const lengths = Array.from({ length: words.length + 1 }, () => new Uint16Array(theirs.length + 1));
  for (let i = words.length - 1; i >= 0; i--) {
    for (let j = theirs.length - 1; j >= 0; j--) lengths[i][j] = words[i] === theirs[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
  }
  const runs = [];
  let j = 0;
  words.forEach((word, i) => {
    while (j < theirs.length && words[i] !== theirs[j] && lengths[i][j + 1] >= lengths[i + 1][j] && lengths[i][j + 1] === lengths[i][j]) j++;
    const same = j < theirs.length && word === theirs[j];
    if (same) j++;
    const last = runs.at(-1);
    const only = !same && (Boolean(word.trim()) || Boolean(last?.only));
    if (last?.only === only) last.said += word;
    else runs.push({ only, said: word });
  });
  return runs;
}

function drawCompare() {
  const [left, right] = sides;
  const modes = Object.entries(MODES).map(([name, { words }], index) => button(words, () => choose(name), { "data-mode": name, "aria-pressed": String(name === mode), "aria-keyshortcuts": String(index + 1) }));
  const rows = left.asset && right.asset ? differencesOf(left.asset, right.asset) : [];
  const table = rows.length ? el("table", { class: "differences" }, el("thead", {}, el("tr", {}, el("td", {}), sides.map(({ name }) => el("th", { scope: "col", dir: "auto" }, name)))),
    el("tbody", {}, rows.map(([name, one, other]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { dir: "auto" }, marked(one, other)), el("td", { dir: "auto" }, marked(other, one)))))) : "";
  drawnAnew(comparing, () => comparing.replaceChildren(el("div", { class: "compare" },
    el("header", {}, el("div", { class: "modes", role: "group", "aria-label": "How to compare" }, modes), mode === "turns" ? button("Turn", turn, { "aria-keyshortcuts": "Space" }) : "",
      button("Swap", swap, { "aria-keyshortcuts": "x" }), button("×", () => comparing.close(), { class: "close", "aria-label": "Close" })),
    el("div", { class: "both" }, MODES[mode].draw()),
    table ? el("details", { class: "what-differs", open: window.innerHeight > 700 }, el("summary", {}, "What was asked differently"), table) : "")));
}

// --- choosing two

function pin(asset) {
  if (!asset?.picture) return say("There is no picture to compare");
  const at = view.pinned.indexOf(asset);
  if (at >= 0) view.pinned.splice(at, 1);
  else view.pinned = [...view.pinned.slice(-1), asset];
  for (const node of document.querySelectorAll("[data-number]")) node.classList.toggle("pinned", view.pinned.includes(page.assets[node.dataset.number]));
  drawTray();
  if (current) drawViewer();
  say(view.pinned.length === 2 ? "Two chosen: press v to compare them" : at >= 0 ? "Not chosen any more" : "Chosen: " + asset.name + ". Choose another");
}

function comparePinned() {
  if (view.pinned.length < 2) return say("Choose two pictures with c first");
  closeViewer();
  openCompare(sideOf(view.pinned[0]), sideOf(view.pinned[1]));
}

function drawTray() {
  const tray = byId("tray");
  const held = tray.contains(document.activeElement);
  tray.hidden = !view.pinned.length;
  tray.replaceChildren(...view.pinned.map((asset) => el("button", { type: "button", class: "small-tile", title: asset.name, "aria-label": "Do not compare " + asset.name, onclick: () => pin(asset) }, picture([thumbOf(asset.picture - 1)], "", {}), el("span", { dir: "auto" }, asset.name))),
    view.pinned.length === 2 ? button("Compare", comparePinned, { class: "strong", "aria-keyshortcuts": "v" }) : el("p", { class: "note" }, "Choose another picture to compare"),
    button("Clear", () => { view.pinned = []; for (const node of document.querySelectorAll(".pinned")) node.classList.remove("pinned"); drawTray(); }, {}));
  if (held) (tray.querySelector("button") && !tray.hidden ? tray.querySelector("button") : byId("shots").querySelector('.tile[tabindex="0"]'))?.focus();
}
