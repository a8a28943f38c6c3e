"use strict";
// The page as a whole: what is missing, totals, filters, drawing little by little, and keys.

let shown = []; // the assets that pass the filters, in the order they are drawn

// --- head

function drawVerdict() {
  const total = Object.values(page.counts).reduce((sum, number) => sum + number, 0);
  const done = page.counts.done || 0;
  const lacking = STATES.filter((state) => state !== "done" && page.counts[state]);
  const verdict = byId("verdict");
  if (!total) {
    verdict.append(page.runs.length ? "The manifest asks for no pictures: its feed is empty, or every cell is left out. " : "Nothing has been made yet. ", copyable(typed(page.runs.length ? "plan" : "run"), ""));
    return;
  }
  const gone = new Set(page.groups.filter((group) => group.state !== "done").flatMap((group) => group.assets).filter((number) => page.assets[number].state === "done"));
  const there = done - gone.size;
  verdict.append(there === total ? "All " + count(total, "picture") + (total === 1 ? " is" : " are") + " there." : there.toLocaleString("en") + " of " + count(total, "picture") + " are there.", " ");
  if (gone.size) verdict.append(button(gone.size.toLocaleString("en") + " gone from the disk", () => filterTo({ among: gone }), { class: "chip is-failed" }), " ");
  for (const state of lacking) verdict.append(el("button", { type: "button", class: "chip is-" + state, onclick: () => filterTo({ states: new Set([state]) }) }, page.counts[state].toLocaleString("en") + " " + state), " ");
  if (page.sketches) verdict.append(el("span", { class: "chip" }, page.sketches === page.assets.length ? "sketches, " + (page.money.total.spent ? "with prices as if bought" : "drawn at no cost") : count(page.sketches, "sketch", "sketches") + " among them"), " ");
  if (page.asOf) verdict.append(el("span", { class: "note" }, "As of " + moment(page.asOf)));
}

function drawGroup(group) {
  const names = group.assets.slice(0, 8).map((number) => button(page.assets[number].name, () => openViewer(page.assets[number]), { class: "link", dir: "auto" }));
  const thumbs = group.assets.filter((number) => page.assets[number].picture).slice(0, 6).map((number) => picture([thumbOf(page.assets[number].picture - 1)], "", { loading: "lazy", class: "cover" }));
  const rest = group.assets.length - names.length;
  return el("article", { class: "group is-" + group.state },
    el("h3", {}, group.title), group.cause ? el("p", { class: "cause", dir: "auto" }, group.cause) : "", group.advice ? el("p", { class: "note" }, group.advice) : "",
    thumbs.length ? el("p", { class: "covers" }, thumbs) : "",
    el("p", { class: "names" }, names, rest > 0 ? button("and " + rest.toLocaleString("en") + " more", () => filterTo({ among: new Set(group.assets) }), { class: "link" }) : ""),
    group.commands.map(([does, command]) => copyable(command, does)));
}

function drawTrouble() {
  const missing = page.groups.filter((group) => group.state !== "done");
  const warned = page.groups.filter((group) => group.state === "done");
  const section = byId("trouble");
  section.hidden = !page.groups.length;
  if (missing.length) section.append(el("h2", {}, "What is missing and why"), ...missing.slice(0, 6).map(drawGroup));
  if (missing.length > 6) section.append(el("details", {}, el("summary", {}, count(missing.length - 6, "more cause")), missing.slice(6).map(drawGroup)));
  if (warned.length) section.append(el("details", { class: "warned" }, el("summary", {}, "There, but worth a look: " + count(warned.reduce((sum, group) => sum + group.assets.length, 0), "picture")), warned.map(drawGroup)));
}

const EXITS = { 0: "everything there", 1: "a fault of the machine", 3: "key refused", 4: "no funds", 5: "stopped at the feed", 10: "waiting for a person", 11: "some refused or failed", 12: "stopped by a budget", 13: "stopped at the deadline", 14: "some outcomes unknown", 130: "interrupted", 143: "terminated" };

function tellRun(run) {
  const ended = run.exit === null ? "cut off, or running" : (EXITS[run.exit] || "") + " (exit " + run.exit + ")";
  return [moment(run.start), ended, run.images, run.requests, run.retries, money(run.usd), run.unknown ? money(run.unknown) : "", run.id];
}

function drawSums() {
  const section = byId("sums");
  section.hidden = !page.runs.length;
  if (!page.runs.length) return;
  const { pictures, month, total } = page.money;
  const [last] = page.runs;
  const sum = (words, what, unknown) => el("div", { class: "sum" }, el("b", {}, words), unknown ? el("b", { class: "mark is-unknown" }, "+ " + money(unknown) + " unknown") : "", el("span", {}, what));
  const sums = total.spent || total.unknown
    ? [sum(money(last.usd), "the last run", last.unknown), sum(money(month.spent), "this month", month.unknown), sum(money(total.spent), "in all", total.unknown), sum(money(pictures), "these pictures, when bought")]
    : [sum("Nothing", "was spent")];
  const columns = ["Started", "Ended as", "Pictures", "Requests", "Repeats", "Spent", "Unknown", "Run"];
  section.append(el("h2", { class: "unseen" }, "Totals and money"), sum(count(last.images, "picture"), "made by the last run, " + moment(last.start)), ...sums,
    el("details", { class: "runs" }, el("summary", {}, count(page.runs.length, "run")), el("div", { class: "scroll" }, el("table", {},
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, page.runs.map((run) => el("tr", {}, tellRun(run).map((value) => el("td", {}, String(value))))))))));
}

// --- filters

const narrow = matchMedia("(max-width: 700px)");
narrow.addEventListener("change", () => drawBar());

function filterTo(changes) {
  Object.assign(view, { text: "", states: new Set(), shot: "", model: "", only: new Map(), among: null, since: 0 }, changes);
  drawBar();
  redraw();
  byId("bar").scrollIntoView({ block: "start" });
  byId("search").focus({ preventScroll: true });
}

function isFiltered() {
  return Boolean(view.text || view.states.size || view.shot || view.model || view.only.size || view.among);
}

/** What is searched: names at once, prompts as the stories are read. */
const searched = new Map();
function textOf(asset) {
  if (!searched.has(asset)) {
    const story = storyOf(asset);
    const text = [asset.name, asset.message, story?.prompt, story?.revised].filter(Boolean).join("\n").toLowerCase();
    if (!story) return text;
    searched.set(asset, text);
  }
  return searched.get(asset);
}

function passes(asset, words) {
  if (view.states.size && !view.states.has(asset.state)) return false;
  if (view.among && !view.among.has(asset.number)) return false;
  if (view.shot !== "" && asset.shot !== Number(view.shot)) return false;
  if (view.model !== "" && asset.model !== Number(view.model)) return false;
  for (const [axis, key] of view.only) {
    const at = page.shots[asset.shot].axes.findIndex(([name]) => name === axis);
    if (at < 0 || page.shots[asset.shot].axes[at][1][asset.at[at]] !== key) return false;
  }
  if (view.since && !isNew(asset, sinceTime())) return false;
  return !words.length || words.every((word) => textOf(asset).includes(word));
}

function axesToFilter() {
  const axes = new Map();
  for (const asset of page.assets) {
    page.shots[asset.shot].axes.forEach(([name, keys], at) => {
      if (name === "model" || asset.at[at] < 0) return;
      if (!axes.has(name)) axes.set(name, new Set());
      axes.get(name).add(keys[asset.at[at]]);
    });
  }
  return [...axes].filter(([, keys]) => keys.size > 1);
}

function change(name) {
  return (value) => {
    view[name] = value;
    drawBar();
    redraw();
    byId("f-" + name)?.focus();
  };
}

function drawBar() {
  const bar = byId("bar");
  bar.hidden = !page.assets.length;
  const search = el("input", { type: "search", id: "search", placeholder: "Name or words of the prompt", "aria-label": "Filter by name or words of the prompt", "aria-keyshortcuts": "/", value: view.text });
  let typing = 0;
  search.addEventListener("input", () => {
    view.text = search.value;
    clearTimeout(typing);
    typing = setTimeout(redraw, 120);
  });
  const present = STATES.filter((state) => page.assets.some((asset) => asset.state === state));
  const states = present.length > 1 ? el("div", { class: "states", role: "group", "aria-label": "States" }, present.map((state) => button(state, () => {
    if (!view.states.delete(state)) view.states.add(state);
    drawBar();
    redraw();
    bar.querySelector(`[data-state="${state}"]`)?.focus();
  }, { class: "chip is-" + state, "data-state": state, "aria-pressed": String(view.states.has(state)) }))) : "";
  const used = page.shots.map((shot, number) => [number, shot.name]).filter(([number]) => page.assets.some((asset) => asset.shot === number));
  const axes = axesToFilter().map(([axis, keys]) => chooser(axis, [["", "all"], ...[...keys].map((key) => [key, key])], view.only.get(axis) || "", (key) => {
    if (key) view.only.set(axis, key);
    else view.only.delete(axis);
    drawBar();
    redraw();
    byId("f-axis-" + axis)?.focus();
  }, { id: "f-axis-" + axis }));
  const runs = page.runs.map((run, number) => [number + 1, (number ? number + 1 + " runs back, " : "the last run, ") + moment(run.start)]);
  const tools = el("div", { class: "choices" },
    used.length > 1 ? chooser("Shot", [["", "all"], ...used], view.shot, change("shot"), { id: "f-shot" }) : "",
    page.models.length > 1 ? chooser("Model", [["", "all"], ...page.models.map((name, number) => [number, name])], view.model, change("model"), { id: "f-model" }) : "",
    axes.length > 2 ? el("details", { class: "axes", open: view.only.size > 0 }, el("summary", {}, "Axes" + (view.only.size ? " (" + view.only.size + ")" : "")), el("div", {}, axes)) : axes,
    runs.length ? chooser("New since", [[0, "show all"], ...runs], view.since, (value) => { view.since = Number(value); drawBar(); redraw(); byId("f-since").focus(); }, { id: "f-since" }) : "",
    chooser("Size", [["S", "small"], ["M", "medium"], ["L", "large"]], document.documentElement.dataset.size || "M", (value) => { document.documentElement.dataset.size = value; byId("f-size").focus(); }, { id: "f-size" }));
  const among = view.among ? button(count(view.among.size, "picture") + " of one cause ×", () => { view.among = null; drawBar(); redraw(); byId("search").focus(); }, { class: "chip", "aria-label": "Show more than these " + count(view.among.size, "picture") }) : "";
  bar.replaceChildren(search, states, among, narrow.matches ? el("details", { id: "more", open: Boolean(byId("more")?.open) }, el("summary", {}, "Filter and view"), tools) : tools,
    el("span", { class: "end" }, el("span", { id: "found", class: "note", role: "status" }), button("Print", printAll, {}), button("?", openHelp, { "aria-label": "Keys" })));
}

// --- drawing, little by little

let drawing = null;

/** Draws the next part: at least a screenful at first, then for as long as the browser is idle. */
function drawSome(enough, until) {
  let tiles = 0;
  while (drawing && tiles < enough && (!until || until())) {
    const { value, done } = drawing.next();
    if (done) drawing = null;
    else if (typeof value === "number") tiles += value;
    else if (value) value.into.append(value.node);
  }
  byId("shots").setAttribute("aria-busy", String(Boolean(drawing)));
}

function* drawAll() {
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  const since = sinceTime();
  const found = page.assets.filter((asset) => passes(asset, words));
  shown = found;
  byId("found").textContent = isFiltered() || view.since ? count(found.length, "picture") : "";
  if (!found.length && page.assets.length) byId("shots").append(el("p", { class: "nothing" }, view.since && !isFiltered() ? "Nothing is new since then." : "Nothing matches. ", isFiltered() ? button("Show all", () => filterTo({}), { class: "link" }) : ""));
  for (const [number, assets] of [...groupBy(found, (asset) => asset.shot)].sort((a, b) => a[0] - b[0])) {
    yield* view.since ? drawNew(page.shots[number], assets, since) : drawShot(page.shots[number], assets);
  }
}

function redraw() {
  const held = focused() ? page.assets[focused().dataset.number] : null;
  byId("shots").replaceChildren();
  drawing = drawAll();
  drawSome(80);
  keepOneTabStop();
  if (held && shown.includes(held)) focusTile(held);
  else if (held) (byId("shots").querySelector('.tile[tabindex="0"]') || byId("shots")).focus();
  whenIdle(goOn);
}

function whenIdle(act) {
  if (window.requestIdleCallback) requestIdleCallback(act, { timeout: 300 });
  else setTimeout(act, 30);
}

function goOn(deadline) {
  const end = performance.now() + Math.max(8, Math.min(40, deadline?.timeRemaining?.() || 12));
  drawSome(Infinity, () => performance.now() < end);
  if (drawing) whenIdle(goOn);
}

// --- moving between tiles with the keys: one tab stop for all of them

function tiles() {
  return [...byId("shots").querySelectorAll(".tile[data-number]")];
}

function keepOneTabStop(node) {
  const chosen = node || byId("shots").querySelector('.tile[tabindex="0"]') || byId("shots").querySelector(".tile[data-number]");
  for (const other of byId("shots").querySelectorAll('.tile[tabindex="0"]')) other.tabIndex = -1;
  if (chosen) chosen.tabIndex = 0;
}

function focusTile(asset) {
  drawSome(Infinity, () => !byId("shots").querySelector(`.tile[data-number="${asset.number}"]`));
  const node = byId("shots").querySelector(`.tile[data-number="${asset.number}"]`);
  if (!node) return;
  keepOneTabStop(node);
  node.focus();
}

function focused() {
  return document.activeElement?.closest?.(".tile[data-number]");
}

function moveFocus(by) {
  const all = tiles();
  const at = all.indexOf(focused());
  if (at + by >= all.length) drawSome(60);
  const next = at < 0 ? all[0] : tiles()[at + by];
  if (next) { keepOneTabStop(next); next.focus(); }
}

/** The nearest tile above or below: where the eye would look. */
function moveLine(by) {
  const from = focused();
  if (!from) return moveFocus(1);
  if (by > 0) drawSome(60);
  const here = from.getBoundingClientRect();
  const all = tiles();
  let best = null;
  let least = Infinity;
  for (let at = all.indexOf(from) + by, far = 0; at >= 0 && at < all.length && far < 200; at += by, far++) {
    const box = all[at].getBoundingClientRect();
    const down = by > 0 ? box.top - here.bottom : here.top - box.bottom;
    if (down < -1) continue;
    const distance = down * 3 + Math.abs(box.left + box.width / 2 - here.left - here.width / 2);
    if (distance < least) { least = distance; best = all[at]; }
    if (best && down > here.height * 3) break;
  }
  if (best) { keepOneTabStop(best); best.focus(); }
}

function assetAtHand() {
  const node = focused();
  return current || (node ? page.assets[node.dataset.number] : null);
}

// --- print

async function printAll() {
  drawSome(Infinity);
  const images = [...byId("shots").querySelectorAll("img")];
  for (const image of images) image.loading = "eager";
  await Promise.race([Promise.allSettled(images.map((image) => image.decode())), new Promise((resolve) => setTimeout(resolve, 15000))]);
  window.print();
}
window.addEventListener("beforeprint", () => drawSome(Infinity));

// --- keys

const KEYS = [
  ["The page", [["/", "filter by name or prompt"], ["arrows", "go from picture to picture"], ["Enter", "open the picture"], ["c", "choose a picture to compare"], ["v", "compare the two chosen"], ["n", "what is new since the last run; again: since the run before"], ["m", "first missing picture"], ["?", "these keys"]]],
  ["A picture", [["← →", "previous, next"], ["↑ ↓", "up the chain to the base, down to the last edit"], ["b", "before / after: the picture or photo it was made from, in its place"], ["o", "old / new: the picture it had before"], ["p", "compare with its parent"], ["z", "actual size, or the whole"], ["c", "choose to compare"], ["Esc", "close"]]],
  ["Two pictures", [["1 2 3 4", "side by side, slider, in turn, difference"], ["← →", "move the slider"], ["Space", "turn"], ["x", "swap"], ["Esc", "close"]]],
];

function openHelp() {
  const help = byId("help");
  help.replaceChildren(el("div", { class: "help" }, el("header", {}, el("h2", {}, "Keys"), button("×", () => help.close(), { class: "close", "aria-label": "Close" })),
    KEYS.map(([title, keys]) => el("section", {}, el("h3", {}, title), el("dl", {}, keys.map(([key, does]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)]))))));
  help.showModal();
}

const ON_PAGE = {
  "/": () => { byId("search").focus(); byId("search").select(); },
  ArrowRight: () => moveFocus(1), ArrowLeft: () => moveFocus(-1), ArrowDown: () => moveLine(1), ArrowUp: () => moveLine(-1),
  c: () => (assetAtHand() ? pin(assetAtHand()) : say("Go to a picture first")), v: comparePinned, "?": openHelp,
  n: () => { view.since = (view.since + 1) % (page.runs.length + 1); drawBar(); redraw(); say(view.since ? "New since " + moment(sinceTime()) + ": " + count(shown.length, "picture") : "Every picture"); },
  m: () => { const missing = shown.find((asset) => asset.state !== "done"); if (missing) focusTile(missing); else say("Nothing is missing here"); },
};
const IN_VIEWER = {
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowUp: () => climb(-1), ArrowDown: () => climb(1), c: () => pin(current), v: comparePinned, "?": openHelp,
  b: () => { const to = motherPicture(current) || inputPicture(current); if (to && current.picture) flip(to); else say("It was made from no picture"); },
  o: () => { const to = earlierPicture(current); if (to && current.picture) flip(to); else say("It had no picture before"); },
  z: () => { if (current.picture) zoom(); },
  p: () => { if (current.mother?.picture && current.picture) openCompare(sideOf(current.mother), sideOf(current)); },
};
const IN_COMPARE = {
  1: () => choose("side"), 2: () => choose("slider"), 3: () => choose("turns"), 4: () => choose("difference"), x: swap, "?": openHelp,
  " ": turn, s: () => choose(mode === "slider" ? "side" : "slider"),
  ArrowLeft: () => nudge(-2), ArrowRight: () => nudge(2),
};

function nudge(by) {
  const range = comparing.querySelector("input[type=range]");
  if (!range) return;
  range.value = String(Number(range.value) + by);
  range.dispatchEvent(new Event("input"));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const target = event.target;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) {
    if (event.key === "Escape" && target.id === "search") { target.blur(); moveFocus(1); }
    return;
  }
  if (event.key === " " && target.closest("button, a, summary") && !(mode === "turns" && target.closest('[data-mode="turns"]'))) return;
  if (/^Arrow/.test(event.key) && target.closest(".story, .canvas.actual, .scroll:focus")) return;
  if (/^Arrow/.test(event.key) && !viewer.open && !comparing.open && !focused() && !byId("shots").contains(target)) return;
  const act = (comparing.open ? IN_COMPARE : viewer.open ? IN_VIEWER : ON_PAGE)[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("click", (event) => {
  const node = event.target.closest?.(".tile[data-number]");
  if (node) {
    const asset = page.assets[node.dataset.number];
    if (event.shiftKey) pin(asset);
    else if (event.ctrlKey || event.metaKey || event.button) return;
    else { keepOneTabStop(node); openViewer(asset); }
    event.preventDefault();
  } else if (event.target instanceof HTMLDialogElement) event.target.close();
});

function openNamed() {
  let name = "";
  try { name = decodeURIComponent(location.hash.slice(1)); } catch { return; }
  const asset = byName.get(name);
  if (asset && asset !== current) openViewer(asset);
}

/** Heights of what stays in its place, so that a picture with the focus is never beneath it. */
function measure() {
  const bar = byId("bar");
  document.documentElement.style.setProperty("--bar", (getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0) + "px");
  document.documentElement.style.setProperty("--tray", byId("tray").offsetHeight + "px");
}
window.addEventListener("resize", measure);
const heights = new ResizeObserver(measure);
heights.observe(byId("bar"));
heights.observe(byId("tray"));

drawVerdict();
drawTrouble();
drawSums();
drawBar();
if (page.leftOut) { byId("left-out").hidden = false; byId("left-out").textContent = count(page.leftOut, "asset") + " more have no room on this page; index.json has them all."; }
redraw();
openNamed();
window.addEventListener("hashchange", openNamed);
