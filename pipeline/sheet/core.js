"use strict";
// The page's data and the few means every part uses. Whatever a manifest or a host said becomes text, never markup.

const page = JSON.parse(document.getElementById("head").textContent);
const STATES = ["unknown", "refused", "failed", "skipped", "planned", "waiting", "done"];

page.assets.forEach((asset, number) => {
  asset.number = number;
  asset.step ||= 0;
  asset.candidate ||= 1;
  asset.earlier ||= [];
  asset.children = [];
});
for (const asset of page.assets) {
  asset.mother = asset.parent ? page.assets[asset.parent - 1] : null;
  if (asset.mother) asset.mother.children.push(asset);
}
const byName = new Map(page.assets.map((asset) => [asset.name, asset]));

// What the person chose. since: runs back from the latest, 0 for every picture. only: axis name to key. among: numbers
// of the assets of one cause.
const view = { text: "", states: new Set(), shot: "", model: "", only: new Map(), among: null, since: 0, pinned: [] };

function byId(id) {
  return document.getElementById(id);
}

/** An element with attributes, listeners (`onclick`) and children; strings become text, empty ones nothing. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== "" && child !== false));
  return node;
}

function button(text, act, attributes) {
  return el("button", { type: "button", onclick: act, ...attributes }, text);
}

/** A choice with its label; values are [value, text] pairs. */
function chooser(label, values, chosen, change, attributes) {
  const select = el("select", { ...attributes, onchange: () => change(select.value) });
  select.append(...values.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text)));
  return el("label", { class: "choose" }, el("span", {}, label), select);
}

function money(usd) {
  if (!usd) return "$0.00";
  if (usd >= 10 || Math.abs(usd * 100 - Math.round(usd * 100)) < 1e-6) return "$" + usd.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return "$" + usd.toFixed(4).replace(/0{1,2}$/, "");
}

function count(number, noun, nouns) {
  return number.toLocaleString("en") + " " + (number === 1 ? noun : nouns || noun + "s");
}

function moment(seconds, style) {
  if (!seconds) return "";
  return new Date(seconds * 1000).toLocaleString([], style || { dateStyle: "medium", timeStyle: "short" });
}

function size(bytes) {
  return bytes < 1e6 ? Math.max(1, Math.round(bytes / 1e3)) + " kB" : (bytes / 1e6).toFixed(1) + " MB";
}

/** A relative path as an address: a name may hold `#`, `?` and `%`. */
function address(path) {
  return path.startsWith("data:") ? path : path.split("/").map(encodeURIComponent).join("/");
}

function thumbOf(number) {
  const [digest, , thumb] = page.pictures[number];
  return thumb === undefined ? "thumbs/" + digest + ".webp" : address(thumb);
}

/** Where the whole picture is, the best place first: the output file, the kept bytes, the thumbnail. */
function placesOf(number, file) {
  const kept = page.pictures[number][1];
  return [file && address(file), kept && address(kept), thumbOf(number)].filter(Boolean);
}

/** A picture that falls back from place to place, and to words when its bytes are nowhere. */
function picture(places, alt, attributes) {
  const image = el("img", { alt, decoding: "async", ...attributes });
  let next = 0;
  const forward = () => {
    if (next < places.length) image.src = places[next++];
    else image.replaceWith(el("span", { class: "hole" }, "file missing"));
  };
  image.addEventListener("error", forward);
  forward();
  return image;
}

function wholePicture(asset) {
  return picture(placesOf(asset.picture - 1, asset.file), asset.name, { class: asset.alpha ? "alpha" : null });
}

/** The key of an axis, the model, the candidate or the step, in words. */
function keyOf(asset, dimension) {
  const shot = page.shots[asset.shot];
  if (dimension === "step") return asset.step;
  if (dimension === "candidate") return asset.candidate;
  return asset.at[shot.axes.findIndex(([name]) => name === dimension)];
}

function wordsOf(shot, dimension, key) {
  if (dimension === "step") return shot.steps[key] || "base";
  if (dimension === "candidate") return "#" + key;
  const axis = shot.axes.find(([name]) => name === dimension);
  return key >= 0 ? axis[1][key] : "–";
}

function modelOf(asset) {
  return page.models[asset.model];
}

/** The whole story of an asset, parsed when somebody asks; null while the page is still coming. */
const stories = new Map();
function storyOf(asset) {
  const batch = Math.floor(asset.number / page.batch);
  if (!stories.has(batch)) {
    const block = document.getElementsByClassName("stories")[batch];
    if (!block || (document.readyState === "loading" && !block.nextElementSibling)) return null;
    stories.set(batch, JSON.parse(block.textContent));
  }
  return stories.get(batch)[asset.number % page.batch];
}

/** The asset and its ancestors from the base, then its first line of edits. */
function chainOf(asset) {
  const chain = [asset];
  while (chain[0].mother) chain.unshift(chain[0].mother);
  while (chain[chain.length - 1].children.length) chain.push(chain[chain.length - 1].children[0]);
  return chain;
}

/** Assets that differ from this one in one respect only, itself among them. */
function siblings(asset, dimension) {
  const shot = page.shots[asset.shot];
  const dimensions = [...shot.axes.map(([name]) => name), "candidate", "step"].filter((name) => name !== dimension);
  return page.assets.filter((other) => other.shot === asset.shot && dimensions.every((name) => keyOf(other, name) === keyOf(asset, name)));
}

/** When the chosen earlier run began; pictures since then are new. */
function sinceTime() {
  return view.since ? page.runs[view.since - 1].start : 0;
}

function isNew(asset, since) {
  return Boolean(asset.picture) && asset.taken >= since;
}

/** The picture an asset had before *since*: its number, or -1. */
function oldOf(asset, since) {
  const found = asset.earlier.find(([, at]) => at < since);
  return found ? found[0] : -1;
}

const said = byId("said");

/** Told to screen readers, from inside of the dialog that is open: what lies outside of it is not heard. */
function say(text) {
  const home = [...document.querySelectorAll("dialog[open]")].pop() || document.body;
  if (said.parentNode !== home) home.append(said);
  said.textContent = text;
}

/** Draws a dialog anew; the control that had the focus has it again, or the one that closes, should it be gone. */
function drawnAnew(dialog, draw) {
  const held = dialog.open && dialog.contains(document.activeElement) ? document.activeElement : null;
  const alike = (node) => ["aria-keyshortcuts", "aria-label"].find((name) => held.hasAttribute(name) && held.getAttribute(name) === node.getAttribute(name));
  draw();
  if (held && held !== dialog) ([...dialog.querySelectorAll("button, a, [tabindex]")].find(alike) || dialog.querySelector(".close")).focus();
}

function copyable(text, does) {
  const words = text.split(" ").map((word, at) => [at ? " " : "", el("span", {}, word)]);
  const code = el("code", { tabindex: "0" }, words);
  const copy = button("Copy", async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(code);
      copied = document.execCommand("copy");
    }
    copy.textContent = copied ? "Copied" : "Selected";
    say(copied ? "Copied: " + text : "The command is selected");
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }, { class: "small", "aria-label": "Copy: " + text });
  return el("div", { class: "command" }, does ? el("span", { class: "does" }, does) : "", code, copy);
}

/** A word as a shell takes it, whatever it holds. */
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\"'\"'") + "'";
}

function typed(command, ...words) {
  return ["pipeline", command, page.typed, ...words, page.options].filter(Boolean).join(" ");
}
