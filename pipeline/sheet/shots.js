"use strict";
// Shots as grids, film strips and walls: which axis is rows, columns and pages is the reader's choice.

const layouts = new Map();

/** The respects in which a shot's assets differ, with the keys that occur, in the manifest's order. */
function dimensionsOf(shot, assets) {
  const names = [...shot.axes.map(([name]) => name), "candidate", "step"];
  return names
    .map((name) => ({ name, keys: [...new Set(assets.map((asset) => keyOf(asset, name)))].sort((a, b) => a - b) }))
    .filter(({ keys }) => keys.length > 1);
}

/** Film strips where there are chains, models side by side where there are several, else the shorter axis across. */
function usualLayout(dimensions) {
  const named = (name) => dimensions.find((dimension) => dimension.name === name);
  const axes = dimensions.filter(({ name }) => name !== "candidate" && name !== "step");
  const steps = named("step") ? named("step").keys.length : 1;
  const asFilm = { rows: axes.length || named("candidate") ? "*" : "", columns: "step", pages: "" };
  if (axes.length < 2) return named("step") ? asFilm : { rows: "", columns: "", pages: "" };
  const short = [...axes].sort((a, b) => a.keys.length - b.keys.length)[0];
  const columns = named("model") || short;
  if (named("step") && (columns.keys.length * steps > 7 || innerWidth < 1000)) return asFilm;
  if (columns.keys.length > 16) return { rows: "", columns: "", pages: columns.name };
  const [rows, pages] = axes.filter((axis) => axis !== columns).sort((a, b) => b.keys.length - a.keys.length);
  return { rows: rows.name, columns: columns.name, pages: pages ? pages.name : "" };
}

function layoutOf(shot, dimensions) {
  if (!layouts.has(shot.name)) layouts.set(shot.name, usualLayout(dimensions));
  const layout = { ...layouts.get(shot.name) };
  for (const place of ["rows", "columns", "pages"]) {
    if (layout[place] !== "*" && !dimensions.some(({ name }) => name === layout[place])) layout[place] = "";
  }
  return layout;
}

function groupBy(assets, keyOfAsset) {
  const groups = new Map();
  for (const asset of assets) {
    const key = keyOfAsset(asset);
    if (groups.has(key)) groups.get(key).push(asset);
    else groups.set(key, [asset]);
  }
  return groups;
}

/** What tells a tile from its neighbours in words: everything the grid around it does not say. */
function labelOf(shot, asset, dimensions) {
  const words = dimensions.map(({ name }) => (name === "step" && !asset.step ? "" : wordsOf(shot, name, keyOf(asset, name)))).filter(Boolean);
  return words.join(" · ");
}

function tile(asset, label) {
  const state = asset.state + (asset.reason ? ", " + asset.reason : "");
  const content = asset.picture
    ? picture([thumbOf(asset.picture - 1), ...placesOf(asset.picture - 1, asset.file).slice(0, -1)], "", { loading: "lazy", class: asset.alpha ? "alpha" : null })
    : el("span", { class: "hole" }, el("b", {}, asset.state), asset.message ? el("span", { dir: "auto" }, asset.message) : asset.reason);
  const frame = el("span", { class: "frame" }, content);
  const attributes = {
    class: "tile is-" + asset.state + (view.pinned.includes(asset) ? " pinned" : ""),
    "data-number": asset.number, tabindex: "-1", title: asset.name,
    "aria-label": asset.name + ", " + state + (asset.warnings ? ", " + count(asset.warnings, "warning") : ""),
  };
  const link = asset.file ? el("a", { href: address(asset.file), ...attributes }, frame) : el("button", { type: "button", ...attributes }, frame);
  link.append(el("span", { class: "label" }, el("span", { class: "what", dir: "auto" }, label),
    asset.state === "done" ? (asset.warnings ? el("span", { class: "mark is-warned", title: "with a warning" }, "!") : "") : el("span", { class: "mark is-" + asset.state }, asset.state)));
  return link;
}

/** A new picture with the one it took the place of. */
function pair(asset, since) {
  const old = oldOf(asset, since);
  const now = tile(asset, asset.name);
  if (old < 0) return el("div", { class: "pair first" }, now, el("span", { class: "tag" }, "first picture"));
  const before = el("button", { type: "button", class: "tile old", title: "Before: " + asset.name, "aria-label": "Compare the old and the new " + asset.name,
    onclick: () => compareEarlier(asset, old) }, el("span", { class: "frame" }, picture([thumbOf(old)], "", { loading: "lazy" })), el("span", { class: "label" }, el("span", { class: "what" }, "before")));
  return el("div", { class: "pair" }, before, el("span", { class: "arrow", "aria-hidden": "true" }, "→"), now);
}

/** One cell's tiles; every chain that the grid does not spread over columns is a strip of its own. */
function cell(shot, assets, rest) {
  if (assets.length === 1) return [tile(assets[0], labelOf(shot, assets[0], rest))];
  if (!rest.some(({ name }) => name === "step")) return [el("div", { class: "wall" }, assets.map((asset) => tile(asset, labelOf(shot, asset, rest))))];
  const strips = groupBy(assets, (asset) => chainOf(asset)[0].number);
  return [...strips.values()].map((strip) => el("div", { class: "strip" }, strip.sort((a, b) => a.step - b.step).map((asset) => tile(asset, labelOf(shot, asset, rest)))));
}

/** The rows of one page of a grid as functions that draw them, so that thousands are drawn little by little. */
function* tableOf(shot, assets, layout, dimensions, title) {
  const rest = dimensions.filter(({ name }) => ![layout.rows, layout.columns, layout.pages].includes(name));
  const inRow = layout.rows === "*" ? rest : dimensions.filter(({ name }) => name === layout.rows);
  const inCell = layout.rows === "*" ? [] : rest;
  const columns = layout.columns ? dimensions.find(({ name }) => name === layout.columns).keys.filter((key) => assets.some((asset) => keyOf(asset, layout.columns) === key)) : [0];
  const columnOf = layout.columns ? (asset) => keyOf(asset, layout.columns) : () => 0;
  const rows = groupBy(assets, (asset) => inRow.map(({ name }) => keyOf(asset, name)).join(" "));
  if (layout.rows !== "*") for (const [key, row] of [...rows].sort((a, b) => Number(a[0]) - Number(b[0]))) { rows.delete(key); rows.set(key, row); }
  const body = el("tbody", {});
  const head = layout.columns ? el("thead", {}, el("tr", {}, inRow.length ? el("td", {}) : "", columns.map((key) => el("th", { scope: "col", dir: "auto" }, wordsOf(shot, layout.columns, key))))) : "";
  const film = layout.columns === "step" ? " film" : "";
  yield el("div", { class: "scroll", tabindex: "-1" }, el("table", { class: "grid" + film, "aria-label": title }, head, body));
  for (const row of rows.values()) {
    const cells = groupBy(row, columnOf);
    const named = inRow.map(({ name }) => wordsOf(shot, name, keyOf(row[0], name))).join(" · ");
    body.append(el("tr", {}, inRow.length ? el("th", { scope: "row", dir: "auto" }, named) : "", columns.map((key) => el("td", {}, cells.has(key) ? cell(shot, cells.get(key), inCell) : ""))));
    yield row.length;
  }
}

/** Everything without rows and columns: tiles that fill the width. */
function* wallOf(shot, assets, dimensions, layout) {
  const rest = dimensions.filter(({ name }) => name !== layout.pages);
  for (let start = 0; start < assets.length; start += 24) {
    const some = assets.slice(start, start + 24);
    yield el("div", { class: "wall" }, some.map((asset) => tile(asset, labelOf(shot, asset, rest) || asset.name)));
    yield some.length;
  }
}

function chooseLayout(shot, dimensions, layout) {
  const names = dimensions.map(({ name }) => [name, name]);
  const place = (label, where, more) => chooser(label, [["", "–"], ...more, ...names], layout[where], (chosen) => {
    const next = { ...layout, [where]: chosen };
    for (const other of ["rows", "columns", "pages"]) if (other !== where && chosen && next[other] === chosen) next[other] = layout[where] === "*" ? "" : layout[where];
    layouts.set(shot.name, next);
    redraw();
    byId("shot-" + page.shots.indexOf(shot))?.querySelector(`[data-place="${where}"]`)?.focus();
  }, { "data-place": where });
  return el("div", { class: "layout", role: "group", "aria-label": "Layout of " + shot.name },
    place("Rows", "rows", [["*", "everything else"]]), place("Columns", "columns", []), place("Pages", "pages", []));
}

/** A shot as elements to append one after the other, and numbers of tiles drawn since. */
function* drawShot(shot, assets) {
  const dimensions = dimensionsOf(shot, assets);
  const layout = layoutOf(shot, dimensions);
  const there = assets.filter((asset) => asset.state === "done").length;
  const usd = assets.reduce((sum, asset) => sum + asset.usd, 0);
  const section = el("section", { class: "shot", id: "shot-" + page.shots.indexOf(shot), "aria-label": shot.name },
    el("div", { class: "head" }, el("h2", { dir: "auto" }, shot.name),
      el("p", { class: "note" }, there === assets.length ? count(assets.length, "picture") : there + " of " + count(assets.length, "picture"), usd ? " · " + money(usd) : ""),
      dimensions.length > 1 ? chooseLayout(shot, dimensions, layout) : ""));
  yield { into: byId("shots"), node: section };
  const all = el("div", { class: "pages" });
  yield { into: section, node: all };
  const pages = layout.pages ? groupBy(assets, (asset) => keyOf(asset, layout.pages)) : new Map([[null, assets]]);
  for (const [key, some] of [...pages].sort((a, b) => a[0] - b[0])) {
    const isTable = Boolean(layout.rows || layout.columns);
    const named = key === null ? "" : wordsOf(shot, layout.pages, key);
    const sheet = el("div", { class: isTable ? "page" : "page wide" }, named && el("h3", { dir: "auto" }, named));
    yield { into: all, node: sheet };
    const drawn = isTable ? tableOf(shot, some, layout, dimensions, [shot.name, named].filter(Boolean).join(", ")) : wallOf(shot, some, dimensions, layout);
    for (const made of drawn) yield typeof made === "number" ? made : { into: sheet, node: made };
  }
}

/** New pictures beside the ones they took the place of, shot by shot. */
function* drawNew(shot, assets, since) {
  const replaced = assets.filter((asset) => oldOf(asset, since) >= 0);
  const first = assets.filter((asset) => oldOf(asset, since) < 0);
  const section = el("section", { class: "shot", id: "shot-" + page.shots.indexOf(shot), "aria-label": "New in " + shot.name },
    el("div", { class: "head" }, el("h2", { dir: "auto" }, shot.name), el("p", { class: "note" }, count(assets.length, "new picture"), replaced.length ? ", " + replaced.length + " instead of another" : "")));
  yield { into: byId("shots"), node: section };
  for (const some of [replaced, first]) {
    for (let start = 0; start < some.length; start += 24) {
      const part = some.slice(start, start + 24);
      yield { into: section, node: el("div", { class: "wall" }, part.map((asset) => pair(asset, since))) };
      yield part.length;
    }
  }
}
