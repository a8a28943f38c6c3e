"use strict";
// Everything shown comes from the JSON block and goes in as text: no markup of a manifest or a host is ever parsed.
const data = JSON.parse(document.getElementById("data").textContent);
const byName = new Map(data.assets.map((asset) => [asset.n, asset]));
const latest = data.runs.length ? data.runs[0].id : "";
const state = { text: "", status: "", shot: "", model: "", since: "", picked: [], layout: {} };
const STATES = ["unknown", "refused", "failed", "skipped", "planned", "waiting", "done"];

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== "") node.append(child);
  return node;
}

const money = (usd) => "$" + usd.toFixed(usd && usd < 1 ? 4 : 2).replace(/(\.\d\d\d*?)0+$/, "$1");
const shortName = (asset) => (asset.s || (asset.c > 1 ? "#" + asset.c : "")) || asset.a[asset.a.length - 1] || asset.shot;

// A picture's own path may hold any character but the separators that make it a path.
const href = (path) => path.split("/").map(encodeURIComponent).join("/");
const source = (path) => (path.startsWith("data:") ? path : href(path));

function copyButton(text) {
  return el("span", { class: "copy" }, el("code", {}, text), el("button", { class: "tool", type: "button", onclick: async (event) => {
    const button = event.currentTarget;
    try { await navigator.clipboard.writeText(text); button.textContent = "copied"; } catch { select(button.previousSibling); }
  } }, "copy"));
}

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

// --- head and filters

function drawSums() {
  const parts = STATES.slice().reverse().filter((name) => data.totals[name])
    .map((name) => el("span", {}, el("b", { class: "mark " + name }, String(data.totals[name])), " " + name));
  parts.push(el("span", {}, "pictures cost ", el("b", {}, money(data.usd.pictures))), el("span", {}, "this month ", el("b", {}, money(data.usd.month))));
  if (data.usd.unknown) parts.push(el("span", {}, el("b", { class: "mark unknown" }, money(data.usd.unknown)), " unknown"));
  parts.push(el("span", {}, "made " + data.generated.replace("T", " ").slice(0, 16)));
  document.getElementById("sums").replaceChildren(...parts);
}

function option(value, text, chosen) {
  return el("option", { value, selected: chosen }, text);
}

function chooser(label, name, values) {
  return el("label", {}, label, el("select", { id: "f-" + name, onchange: (event) => { state[name] = event.target.value; draw(); } },
    option("", "all"), values.map(([value, text]) => option(value, text, state[name] === value))));
}

function drawBar() {
  const models = [...new Set(data.assets.map((asset) => asset.model))].filter(Boolean);
  const present = STATES.filter((name) => data.totals[name]);
  document.getElementById("bar").replaceChildren(
    el("input", { type: "search", id: "f-text", placeholder: "name or prompt  ( / )", "aria-label": "Filter by name or prompt", oninput: (event) => { state.text = event.target.value.toLowerCase(); draw(); } }),
    present.length > 1 ? chooser("state", "status", present.map((name) => [name, name])) : "",
    data.shots.length > 1 ? chooser("shot", "shot", data.shots.map((shot) => [shot.name, shot.name])) : "",
    models.length > 1 ? chooser("model", "model", models.map((name) => [name, name])) : "",
    data.runs.length > 1 ? chooser("new since", "since", data.runs.slice(1).map((run) => [run.at, run.at.replace("T", " ").slice(0, 16)])) : "",
    el("button", { class: "tool", type: "button", id: "compare", disabled: state.picked.length !== 2, onclick: () => compare(...state.picked) }, "compare " + state.picked.length + "/2"),
    el("button", { class: "tool", type: "button", "aria-label": "Keys", onclick: help }, "?"),
  );
  document.getElementById("f-text").value = state.text;
}

function shown(asset) {
  if (state.status && asset.st !== state.status) return false;
  if (state.shot && asset.shot !== state.shot) return false;
  if (state.model && asset.model !== state.model) return false;
  if (state.since && !(asset.st === "done" && asset.at > state.since)) return false;
  if (state.text && !(asset.n + " " + (asset.prompt || "")).toLowerCase().includes(state.text)) return false;
  return true;
}

// --- tiles and grids

function tile(asset) {
  const fresh = asset.st === "done" && asset.run === latest && data.runs.length > 1;
  const frame = asset.t || asset.p
    ? el("span", { class: "frame" }, el("img", { src: source(asset.t || asset.p), alt: "", loading: "lazy", decoding: "async" }))
    : el("span", { class: "frame empty" }, asset.st + (asset.re ? ": " + asset.re : ""));
  return el("button", {
    class: "tile is-" + asset.st + (fresh ? " new" : "") + (state.picked.includes(asset) ? " picked" : ""), type: "button", "data-asset": asset.n,
    "aria-label": asset.n + ", " + asset.st + (asset.re ? ", " + asset.re : ""), title: asset.n,
    onclick: (event) => { if (event.shiftKey || event.ctrlKey || event.metaKey) pick(asset); else view(asset); },
  }, frame, el("span", { class: "name" }, el("span", { dir: "auto" }, shortName(asset)),
    asset.st === "done" ? el("span", {}, asset.usd ? money(asset.usd) : "") : el("span", { class: "mark " + asset.st }, asset.st)));
}

function pick(asset) {
  const at = state.picked.indexOf(asset);
  if (at >= 0) state.picked.splice(at, 1);
  else state.picked = [...state.picked.slice(-1), asset];
  drawBar();
  for (const node of document.querySelectorAll(".tile")) node.classList.toggle("picked", state.picked.includes(byName.get(node.dataset.asset)));
}

// Candidates of one cell, each as a film strip from its base to its last edit.
function strips(assets) {
  const candidates = new Map();
  for (const asset of assets) candidates.set(asset.c, [...(candidates.get(asset.c) || []), asset]);
  return [...candidates.keys()].sort((a, b) => a - b)
    .map((candidate) => el("div", { class: "strip" }, candidates.get(candidate).sort((a, b) => a.d - b.d).map(tile)));
}

function layoutOf(shot) {
  if (!state.layout[shot.name]) {
    const many = shot.axes.map(([, keys], at) => [at, keys.length]).filter(([, length]) => length > 1).map(([at]) => at);
    // The axis with the fewest values makes the best columns: a page scrolls down more gladly than sideways.
    const columns = many.length > 1 ? many.reduce((best, at) => (shot.axes[at][1].length < shot.axes[best][1].length ? at : best)) : null;
    const rows = many.find((at) => at !== columns);
    state.layout[shot.name] = { columns, rows: rows === undefined ? null : rows };
  }
  return state.layout[shot.name];
}

function axisChooser(shot, layout, role) {
  return el("label", {}, role + " ", el("select", { onchange: (event) => {
    const at = event.target.value === "" ? null : Number(event.target.value);
    const other = role === "rows" ? "columns" : "rows";
    if (at !== null && layout[other] === at) layout[other] = layout[role];
    layout[role] = at;
    draw();
  } }, option("", "–", layout[role] === null), shot.axes.map(([name], at) => option(String(at), name, layout[role] === at))));
}

// Rows beyond the first screens are made a batch at a time, so that the first pictures never wait for the last.
const BATCH = 40;
let drawing = 0;

function later(rows, body, make) {
  const mine = drawing;
  const step = (from) => {
    if (mine !== drawing || from >= rows.length) return;
    body.append(...rows.slice(from, from + BATCH).map(make));
    setTimeout(step, 0, from + BATCH);
  };
  body.append(...rows.slice(0, BATCH).map(make));
  setTimeout(step, 30, BATCH);
}

function grid(shot, layout, cells) {
  const place = (asset) => [layout.rows === null ? "" : asset.a[layout.rows], layout.columns === null ? "" : asset.a[layout.columns]];
  const found = new Map();
  const present = [new Set(), new Set()];
  for (const asset of cells) {
    const [row, column] = place(asset);
    const key = JSON.stringify([row, column]);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(asset);
    present[0].add(row);
    present[1].add(column);
  }
  const keys = (at, seen) => (at === null ? [""] : shot.axes[at][1].filter((key) => seen.has(key)));
  const rows = keys(layout.rows, present[0]);
  const columns = keys(layout.columns, present[1]);
  const head = layout.columns === null ? "" : el("thead", {}, el("tr", {}, el("td", {}), columns.map((key) => el("th", { scope: "col", dir: "auto" }, key))));
  const body = el("tbody", {});
  later(rows, body, (row) => el("tr", {}, layout.rows === null ? el("td", {}) : el("th", { scope: "row", dir: "auto" }, row),
    columns.map((column) => el("td", {}, strips(found.get(JSON.stringify([row, column])) || [])))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": shot.name }, el("table", { class: "grid" }, head, body));
}

// What is neither row nor column turns pages.
function pages(shot, layout, assets) {
  const rest = shot.axes.map((_, at) => at).filter((at) => at !== layout.rows && at !== layout.columns);
  const found = new Map();
  for (const asset of assets) {
    const key = JSON.stringify(rest.map((at) => asset.a[at]));
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(asset);
  }
  return [...found].map(([key, cells]) => {
    const title = JSON.parse(key).filter((value, index) => shot.axes[rest[index]][1].length > 1).join(" · ");
    return el("div", { class: "page" }, title ? el("h3", { dir: "auto" }, title) : "", grid(shot, layout, cells));
  });
}

function drawShot(shot) {
  const assets = data.assets.filter((asset) => asset.shot === shot.name && shown(asset));
  if (!assets.length) return "";
  const layout = layoutOf(shot);
  const choose = shot.axes.length > 1 ? el("span", { class: "choose" }, axisChooser(shot, layout, "rows"), axisChooser(shot, layout, "columns")) : "";
  return el("section", { class: "shot", "aria-label": shot.name }, el("div", { class: "head" }, el("h2", { dir: "auto" }, shot.name),
    el("span", { class: "choose" }, assets.length + (assets.length === 1 ? " asset" : " assets") + (shot.chain.length ? ", then " + shot.chain.join(" → ") : "")), choose), pages(shot, layout, assets));
}

function drawTrouble() {
  if (state.status === "done" || state.text || state.since) return [];
  return data.trouble.filter((group) => !state.status || group.state === state.status).map((group) => el("section", { class: "trouble " + group.state, "aria-label": group.state },
    el("h2", {}, group.assets.length + " " + group.state), el("p", { dir: "auto" }, group.cause),
    el("p", { class: "names" }, group.assets.slice(0, 12).map((name, at) => [at ? ", " : "", el("button", { type: "button", onclick: () => view(byName.get(name)) }, name)]), group.assets.length > 12 ? " and " + (group.assets.length - 12) + " more" : ""),
    copyButton(group.command)));
}

function draw() {
  drawing += 1;
  const shots = data.shots.map(drawShot).filter(Boolean);
  const nothing = el("p", { class: "empty-page" }, data.assets.length ? "Nothing matches this filter." : "There are no assets yet: pipeline run " + data.file);
  document.getElementById("sheet").replaceChildren(...drawTrouble(), ...(shots.length ? shots : [nothing]));
}

// --- one picture, and two

const viewer = document.getElementById("viewer");
let current = null;

function visible() {
  return [...document.querySelectorAll(".tile")].map((node) => byName.get(node.dataset.asset));
}

function fact(name, value) {
  return value === undefined || value === null || value === "" ? [] : [el("dt", {}, name), el("dd", { dir: "auto" }, value)];
}

function story(asset) {
  const tries = (asset.tries || []).map((attempt) => el("div", {}, attempt.at.replace("T", " ").slice(0, 19) + "  " + attempt.outcome + (attempt.status ? " " + attempt.status : "") + "  " + money(attempt.usd) + (attempt.estimated ? " (estimated)" : "") + "  " + attempt.seconds + " s",
    attempt.request ? el("div", { class: "mono" }, attempt.request) : "", attempt.culprit ? el("div", {}, attempt.culprit) : "", attempt.outcome !== "done" && attempt.message ? el("div", { dir: "auto" }, attempt.message) : ""));
  const params = Object.entries(asset.params || {}).map(([name, value]) => name + " " + value).join("\n");
  const inputs = (asset.in || []).map((input) => el("figure", {}, input.t ? el("img", { src: source(input.t), alt: input.name, title: input.name }) : "", el("figcaption", {}, (input.role === "mask" ? "mask: " : "") + input.name)));
  return el("dl", {}, fact("state", asset.st + (asset.re ? ": " + asset.re : "")), fact("warnings", (asset.w || []).join("\n")), fact("prompt", asset.prompt), fact("revised", asset.revised),
    fact("model", asset.asked), fact("params", params), fact("picture", asset.size), fact("file", asset.p), fact("cost", asset.usd ? money(asset.usd) : ""),
    inputs.length ? [el("dt", {}, "inputs"), el("dd", { class: "inputs" }, inputs)] : [],
    asset.parent ? [el("dt", {}, "parent"), el("dd", {}, el("button", { class: "tool", type: "button", onclick: () => view(byName.get(asset.parent)) }, asset.parent))] : [],
    tries.length ? [el("dt", {}, "attempts"), el("dd", {}, tries)] : [], fact("key", asset.key), fact("run", asset.run));
}

function view(asset) {
  if (!asset) return;
  current = asset;
  const picture = asset.p ? el("a", { href: href(asset.p), target: "_blank", rel: "noopener" }, el("img", { src: source(asset.p), alt: asset.prompt || asset.n })) : el("p", {}, asset.st + (asset.re ? ": " + asset.re : ""));
  viewer.replaceChildren(el("div", { class: "view" }, el("div", { class: "stage" }, picture), el("div", { class: "side" },
    el("div", { class: "row" }, el("button", { class: "tool", type: "button", autofocus: true, onclick: () => viewer.close() }, "close"),
      asset.parent ? el("button", { class: "tool", type: "button", onclick: () => compare(byName.get(asset.parent), asset) }, "before / after (b)") : "",
      asset.old ? el("button", { class: "tool", type: "button", onclick: () => compare({ ...asset, n: asset.n + " before", p: asset.old }, asset) }, "old / new (o)") : "",
      el("button", { class: "tool", type: "button", onclick: () => pick(asset) }, "pick (c)")),
    el("h2", { dir: "auto" }, asset.n), story(asset), copyButton("pipeline why " + data.file + " '" + asset.n + "'"))));
  if (!viewer.open) viewer.showModal();
}

function compare(left, right) {
  if (!left || !right || !left.p || !right.p) return;
  current = right;
  const top = el("img", { src: source(right.p), alt: right.n });
  const wipe = el("div", { class: "wipe" }, el("img", { src: source(left.p), alt: left.n }), top,
    el("input", { type: "range", min: "0", max: "100", value: "50", "aria-label": "How much of the first picture", oninput: (event) => { top.style.clipPath = "inset(0 0 0 " + event.target.value + "%)"; } }));
  top.style.clipPath = "inset(0 0 0 50%)";
  const sides = el("div", { class: "two" }, [left, right].map((asset) => el("figure", {}, el("img", { src: source(asset.p), alt: asset.n }), el("figcaption", { dir: "auto" }, asset.n))));
  const stage = el("div", { class: "stage" }, wipe);
  const toggle = el("button", { class: "tool", type: "button", id: "sides", onclick: () => stage.replaceChildren(stage.firstChild === wipe ? sides : wipe) }, "slider / side by side (s)");
  viewer.replaceChildren(el("div", { class: "view" }, stage, el("div", { class: "side" }, el("div", { class: "row" }, el("button", { class: "tool", type: "button", autofocus: true, onclick: () => viewer.close() }, "close"), toggle),
    [left, right].map((asset) => [el("h2", { dir: "auto" }, asset.n), el("dl", {}, fact("model", asset.asked), fact("prompt", asset.prompt), fact("picture", asset.size), fact("cost", asset.usd ? money(asset.usd) : ""))]))));
  if (!viewer.open) viewer.showModal();
}

// --- keys

const KEYS = [["← →  j k", "previous, next picture"], ["Enter", "open the picture under the focus"], ["b", "before / after: this edit and the picture before it"], ["o", "old / new: what it was before the last change"],
  ["c", "pick for comparing (two)"], ["v", "compare the two picked"], ["s", "slider or side by side"], ["/", "filter"], ["Esc", "close"], ["?", "this list"]];

function help() {
  const dialog = document.getElementById("help");
  dialog.replaceChildren(el("div", { class: "view" }, el("div", { class: "side" }, el("h2", {}, "Keys"), el("dl", {}, KEYS.map(([key, what]) => fact(key, what))), el("button", { class: "tool", type: "button", autofocus: true, onclick: () => dialog.close() }, "close"))));
  dialog.showModal();
}

function move(by) {
  const assets = visible();
  if (!assets.length) return;
  const at = assets.indexOf(viewer.open ? current : byName.get(document.activeElement?.dataset?.asset));
  const next = assets[(at + by + assets.length) % assets.length];
  if (viewer.open) view(next);
  else document.querySelector('.tile[data-asset="' + CSS.escape(next.n) + '"]')?.focus();
}

const ACTIONS = {
  ArrowRight: () => move(1), j: () => move(1), ArrowLeft: () => move(-1), k: () => move(-1), "?": help,
  "/": () => document.getElementById("f-text").focus(), v: () => state.picked.length === 2 && compare(...state.picked),
  b: () => current?.parent && compare(byName.get(current.parent), current), s: () => document.getElementById("sides")?.click(),
  o: () => current?.old && compare({ ...current, n: current.n + " before", p: current.old }, current),
  c: () => pick((viewer.open && current) || byName.get(document.activeElement?.dataset?.asset) || data.assets[0]),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
viewer.addEventListener("close", () => document.querySelector('.tile[data-asset="' + CSS.escape(current?.n || "") + '"]')?.focus());

drawSums();
drawBar();
draw();
