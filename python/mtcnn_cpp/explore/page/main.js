// The page: opens what the server has, and brings its parts to the place in the address.

import { $, fill, h } from "./dom.js";
import { forget } from "./colours.js";
import * as facts from "./facts.js";
import * as keys from "./keys.js";
import * as list from "./list.js";
import * as maps from "./maps.js";
import * as picture from "./picture.js";
import { begin, go, here, onMove, settle } from "./place.js";
import { divergences, onVerdicts, open, session, settled } from "./session.js";
import * as tabs from "./tabs.js";
import * as timeline from "./timeline.js";
import * as value from "./value.js";
import * as way from "./way.js";

function moved(place, before) {
  picture.moved(place, before);
  maps.moved(place, before); // first, so that its questions are
  way.moved(place);
  value.moved(place);
  list.moved(place, before);
  timeline.redraw();
  document.title = place.name ? `${place.name} · mtcnn-cpp explore` : "mtcnn-cpp explore";
}

let guessed = ""; // where the page began by itself: the first divergence as far as it was known

function verdicts() {
  timeline.legend();
  timeline.redraw();
  list.refresh();
  way.refresh();
  facts.refresh();
  headline();
  if (session.done && session.first && guessed && here().name === guessed && session.first !== guessed) {
    guessed = session.first;
    go({ name: session.first }, true);
  }
  if (session.done) tabs.about();
}

function headline() {
  const element = $("headline");
  if (!session.two) {
    element.textContent = `${session.tensors.length.toLocaleString("en")} tensors`;
    return;
  }
  const measured = session.tensors.filter((one) => one.measured).length;
  const first = session.tensors[divergences()[0]];
  element.className = session.error || first ? "bad" : session.done ? "good" : "";
  if (session.error) element.textContent = session.error;
  else if (session.done) fill(element, [session.headline, session.noise ? h("small", {}, ` ${session.noise}`) : null]);
  else element.textContent = `${first ? `first divergence: ${first.name}` : "no divergence so far"} · ${measured} of ${session.tensors.length} compared`;
  element.title = element.textContent;
}

async function start() {
  try {
    await open();
  } catch (error) {
    $("headline").className = "bad";
    $("headline").textContent = error.message;
    return;
  }
  settle(settled);
  begin();
  fill($("sources"), Object.entries(session.about.sides).map(([letter, side]) => h("span", { class: `source side-${letter}`, title: side.label }, session.two ? h("b", {}, letter.toUpperCase()) : null, side.label)));
  $("next").hidden = $("previous").hidden = !session.two;
  document.body.classList.toggle("two", session.two);
  timeline.start();
  list.start();
  keys.start();
  tabs.start();
  onVerdicts(verdicts);
  onMove(moved);
  const loaded = picture.start(); // asked for before the many thumbnails
  if (!here().name) {
    const first = session.two ? session.tensors[divergences()[0]] : session.tensors.find(({ name }) => /^onet\/crop000\/input$/.test(name)) ?? session.tensors[0];
    guessed = session.two ? first?.name ?? "" : "";
    go({ name: (first ?? session.tensors[0]).name, view: session.two && first ? "difference" : here().view }, true);
  } else moved(here(), {});
  headline();
  await loaded;
  picture.moved(here(), {});
  document.body.dataset.ready = "";
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  forget();
  way.moved(here());
  maps.repaint();
  picture.redraw();
  timeline.legend();
  timeline.redraw();
});

start();
