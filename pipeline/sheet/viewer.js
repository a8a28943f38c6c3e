"use strict";
// One picture, large, with everything that is known of it.

const viewer = byId("viewer");
let current = null;
let openedFor = null; // the picture it was opened for, whose tile or link takes the focus back
let actual = false; // the picture pixel by pixel instead of as a whole
let before = null; // shown in place of the current picture: {number, file, words}

function openViewer(asset) {
  const opened = viewer.open;
  if (!opened) openedFor = asset;
  current = asset;
  before = null;
  drawViewer();
  if (!opened) {
    viewer.showModal();
    viewer.querySelector(".close").focus();
  } else say(asset.name + ", " + asset.state);
  nameInAddress("#" + encodeURIComponent(asset.name));
}

/** An address that opens the same picture again; some browsers refuse it for pages opened from disk. */
function nameInAddress(fragment) {
  try {
    history.replaceState(null, "", location.href.split("#")[0] + fragment);
  } catch {
    // the page works without
  }
}

function closeViewer() {
  if (viewer.open) viewer.close();
}

viewer.addEventListener("close", () => {
  const last = current;
  current = null;
  nameInAddress("");
  if (last && (last !== openedFor || document.activeElement === document.body)) focusTile(last);
});

/** Shows the picture before this one in its place, or takes it away again: parent first, else the earlier picture. */
function flip(to) {
  before = before ? null : to;
  drawStage();
  say(before ? "Before: " + before.words : "After: " + current.name);
}

function motherPicture(asset) {
  const mother = asset.mother;
  return mother && mother.picture ? { number: mother.picture - 1, file: mother.file, words: mother.name } : null;
}

function earlierPicture(asset) {
  if (!asset.earlier.length) return null;
  const [number, at] = asset.earlier[0];
  return { number, file: "", words: "the picture before, " + (at ? moment(at) : "of an earlier run") };
}

function inputPicture(asset) {
  const story = storyOf(asset);
  const given = (story?.inputs || []).find(([role]) => role === "image");
  return given ? { number: given[2], file: "", words: "the input " + (given[1] || "") } : null;
}

/** The assets as they stand on the page, which is the order the eye has just seen. */
function inOrder() {
  return drawing ? shown : tiles().map((node) => page.assets[node.dataset.number]);
}

function step(by) {
  const order = inOrder();
  if (order.length) openViewer(order[(Math.max(order.indexOf(current), 0) + by + order.length) % order.length]);
}

function climb(by) {
  const chain = chainOf(current);
  const next = chain[chain.indexOf(current) + by];
  if (next) openViewer(next);
  else say(by < 0 ? "This is the base picture" : "This is the last edit");
}

function zoom() {
  actual = !actual;
  byId("zoom")?.setAttribute("aria-pressed", String(actual));
  drawStage();
}

/** A finger that wipes over the picture goes on to the next one or back. */
let wipe = null;
viewer.addEventListener("pointerdown", (event) => {
  wipe = event.pointerType === "touch" && !actual && event.target.closest(".stage") ? { x: event.clientX, y: event.clientY } : null;
});
viewer.addEventListener("pointerup", (event) => {
  if (!wipe) return;
  const across = event.clientX - wipe.x;
  if (Math.abs(across) > 50 && Math.abs(across) > 2 * Math.abs(event.clientY - wipe.y)) step(across < 0 ? 1 : -1);
  wipe = null;
});

function drawStage() {
  const stage = viewer.querySelector(".stage");
  const alpha = current.alpha && !before ? " alpha" : "";
  let shownPicture;
  if (before) shownPicture = picture(placesOf(before.number, before.file), before.words, {});
  else if (current.picture) shownPicture = wholePicture(current);
  else shownPicture = el("div", { class: "hole is-" + current.state }, el("b", {}, current.state), el("span", { dir: "auto" }, current.message || current.reason || "there is no picture"));
  const held = stage.contains(document.activeElement);
  const canvas = actual ? { tabindex: "0", role: "region", "aria-label": "The picture in actual size; arrows move it" } : {};
  stage.replaceChildren(el("div", { class: "canvas" + alpha + (actual ? " actual" : ""), ...canvas }, shownPicture), el("p", { class: "caption" + (before ? " is-before" : ""), dir: "auto" }, before ? "Before: " + before.words : ""));
  for (const node of viewer.querySelectorAll("[data-flip]")) node.setAttribute("aria-pressed", String(Boolean(before)));
  if (held) (stage.querySelector(".actual") || byId("zoom")).focus();
}

function drawViewer() {
  const asset = current;
  const mother = motherPicture(asset);
  const earlier = earlierPicture(asset);
  const input = asset.mother ? null : inputPicture(asset);
  const order = inOrder();
  const at = order.indexOf(asset);
  const tools = el("div", { class: "tools", role: "group", "aria-label": "Picture" },
    mother && asset.picture ? button("Before / after", () => flip(mother), { "data-flip": "", "aria-keyshortcuts": "b" }) : "",
    input && asset.picture ? button("Input / result", () => flip(input), { "data-flip": "", "aria-keyshortcuts": "b" }) : "",
    earlier && asset.picture ? button("Old / new", () => flip(earlier), { "data-flip": "", "aria-keyshortcuts": "o" }) : "",
    mother && asset.picture ? button("Compare with its parent", () => openCompare(sideOf(asset.mother), sideOf(asset)), { "aria-keyshortcuts": "p" }) : "",
    asset.picture ? button(view.pinned.includes(asset) ? "Chosen to compare" : "Choose to compare", () => pin(asset), { "aria-keyshortcuts": "c", "aria-pressed": String(view.pinned.includes(asset)) }) : "",
    asset.picture ? button("Actual size", zoom, { id: "zoom", "aria-pressed": String(actual), "aria-keyshortcuts": "z" }) : "",
    asset.file ? el("a", { class: "as-button", href: address(asset.file), target: "_blank", rel: "noopener" }, "Open the file") : "");
  viewer.setAttribute("aria-label", asset.name);
  drawnAnew(viewer, () => viewer.replaceChildren(el("div", { class: "viewer" },
    el("header", {}, button("‹", () => step(-1), { "aria-label": "Previous picture", "aria-keyshortcuts": "ArrowLeft" }),
      el("p", { class: "where" }, at >= 0 ? at + 1 + " of " + order.length : ""),
      button("›", () => step(1), { "aria-label": "Next picture", "aria-keyshortcuts": "ArrowRight" }),
      el("h2", { dir: "auto" }, asset.name),
      button("×", closeViewer, { class: "close", "aria-label": "Close" })),
    el("div", { class: "look" }, el("div", { class: "stage" }), tools, ...stripsOf(asset)),
    el("div", { class: "story", tabindex: "0", role: "region", "aria-label": "Story of " + asset.name }, tellStory(asset)))));
  drawStage();
}

/** Neighbours to go on to: the chain, the candidates, the same with other models. */
function stripsOf(asset) {
  const shot = page.shots[asset.shot];
  const strips = [["Chain", chainOf(asset), "step"], ["Candidates", siblings(asset, "candidate"), "candidate"]];
  for (const [name, keys] of shot.axes) if (keys.length > 1) strips.push([name, siblings(asset, name), name]);
  return strips.filter(([, assets]) => assets.length > 1).map(([title, assets, dimension]) => el("div", { class: "neighbours" },
    el("h3", {}, title), el("div", { class: "film-row" }, assets.slice(0, 24).map((other) => {
      const words = wordsOf(shot, dimension, keyOf(other, dimension));
      return el("button", { type: "button", class: "small-tile", "aria-current": other === asset ? "true" : null, title: other.name, "aria-label": other.name, onclick: () => openViewer(other) },
        other.picture ? picture([thumbOf(other.picture - 1)], "", { loading: "lazy" }) : el("span", { class: "hole" }, other.state), el("span", { dir: "auto" }, words));
    }), assets.length > 24 ? el("span", { class: "note" }, "and " + (assets.length - 24) + " more") : "")));
}

function fact(name, ...values) {
  const told = values.flat().filter((value) => value !== "" && value !== null && value !== undefined);
  return told.length ? [el("dt", {}, name), el("dd", { dir: "auto" }, told)] : [];
}

function long(text) {
  return text ? el("div", { class: "text", dir: "auto" }, text) : "";
}

function tellStory(asset) {
  const story = storyOf(asset);
  if (!story) {
    document.addEventListener("DOMContentLoaded", () => current === asset && drawViewer(), { once: true });
    return el("p", {}, "The page is still loading …");
  }
  const facts = [
    ...fact("State", el("span", { class: "chip is-" + asset.state }, asset.state), asset.reason ? " " + asset.reason : ""),
    ...fact("Warnings", (story.warnings || []).map((warning) => el("p", { dir: "auto" }, warning))),
    ...fact("Prompt as sent", long(story.prompt)),
    ...fact("Revised prompt", long(story.revised)),
    ...fact("Model", [modelOf(asset), story.asked].filter(Boolean).join(" · ")),
    ...fact("Parameters", story.params ? el("ul", { class: "pairs" }, story.params.map(([name, value]) => el("li", {}, el("span", {}, name), " ", el("b", { dir: "auto" }, value)))) : ""),
    ...fact("Inputs", tellInputs(asset, story)),
    ...fact("Made into", asset.children.map((child) => linkTo(child))),
    ...fact("Why made", story.because),
    ...fact("Cost", asset.usd || story.spent ? money(asset.usd) + (story.spent > asset.usd + 1e-6 ? ", " + money(story.spent) + " with all its attempts" : "") : "nothing"),
    ...fact("Picture", asset.size ? asset.size.join(" × ") + " " + (story.format || "") + (asset.alpha ? ", transparent" : "") + (story.bytes ? ", " + size(story.bytes) : "") : ""),
    ...fact("File", asset.file),
    ...fact("Attempts", tellAttempts(story)),
    ...fact("Earlier pictures", asset.earlier.map(([number, at]) => el("button", { type: "button", class: "small-tile", "aria-label": "Compare with the picture of " + moment(at), onclick: () => compareEarlier(asset, number) },
      picture([thumbOf(number)], "", { loading: "lazy" }), el("span", {}, moment(at, { dateStyle: "short" }))))),
    ...fact("Taken", moment(asset.taken)),
    ...fact("Run", story.run),
    ...fact("Key", story.key ? el("code", { class: "hash" }, story.key) : ""),
    ...fact("SHA-256", asset.picture ? el("code", { class: "hash" }, page.pictures[asset.picture - 1][0]) : ""),
  ];
  return [el("dl", {}, facts), el("h3", {}, "To type"), copyable(typed("why", quoted(asset.name)), "why it would be asked again"),
    copyable(typed("run", "--again", quoted(asset.name.replace(/[*?[]/g, "[$&]"))), "ask anew; this picture is kept")];
}

function linkTo(asset) {
  return button(asset.name, () => openViewer(asset), { class: "link", dir: "auto" });
}

function tellInputs(asset, story) {
  return (story.inputs || []).map(([role, source, number, digest], index) => {
    const isMother = asset.mother && index === 0;
    const name = isMother ? linkTo(asset.mother) : el("span", { dir: "auto" }, source || digest.slice(0, 12) + "…");
    return el("figure", { class: "input" }, el("a", { href: placesOf(number, isMother ? asset.mother.file : "")[0], target: "_blank", rel: "noopener", "aria-label": "Open the " + role + (source ? " " + source : "") }, picture([thumbOf(number)], "", { loading: "lazy" })),
      el("figcaption", {}, role === "mask" ? "mask: " : isMother ? "parent: " : "", name));
  });
}

function tellAttempts(story) {
  return (story.tries || []).map((attempt) => {
    const words = [moment(attempt.at, { dateStyle: "short", timeStyle: "medium" }), attempt.provider, attempt.status ? "HTTP " + attempt.status : "", attempt.code,
      attempt.seconds ? attempt.seconds + " s" : "", money(attempt.usd) + (attempt.estimated && attempt.usd ? " (estimated)" : ""), attempt.pictures ? "for " + attempt.pictures + " pictures" : ""];
    return el("div", { class: "attempt" }, el("span", { class: "chip is-" + (attempt.outcome === "sent" ? "unknown" : attempt.outcome) }, attempt.outcome), " ", words.filter(Boolean).join(" · "),
      attempt.message ? el("p", { dir: "auto" }, attempt.message) : "", attempt.culprit ? el("p", { dir: "auto" }, attempt.culprit) : "",
      attempt.request ? el("p", {}, "request id ", el("code", { class: "hash" }, attempt.request)) : "");
  });
}
