// Starts the page and updates its parts when its state changes.

import { $, setChildren, h } from "./dom.js";
import { resetColours } from "./colours.js";
import * as glossary from "./glossary.js";
import * as statistics from "./statistics.js";
import * as keyboard from "./keyboard.js";
import * as list from "./tensor_list.js";
import * as maps from "./tensor_maps.js";
import * as image from "./image.js";
import { startNavigation, navigate, currentState, onNavigate, setNormalizer } from "./navigation.js";
import { divergentPositions, onVerdicts, openSession, session, withChannel } from "./session.js";
import * as tabs from "./tabs.js";
import * as timeline from "./timeline.js";
import * as value from "./value.js";
import * as layers from "./layers.js";

function update(state, previous) {
  image.update(state, previous);
  maps.update(state, previous); // before `layers.update`, so that the requests of the maps are sent first
  layers.update(state);
  value.update(state);
  list.update(state, previous);
  timeline.redraw();
  document.title = state.name ? `${state.name} · mtcnn-cpp explore` : "mtcnn-cpp explore";
}

let initialName = ""; // the tensor that the page chose at the start, which was the first known divergence at that moment

function updateVerdicts() {
  timeline.legend();
  timeline.redraw();
  list.refresh();
  layers.refresh();
  statistics.refresh();
  showHeadline();
  if (session.done && session.first && initialName && currentState().name === initialName && session.first !== initialName) {
    initialName = session.first;
    navigate({ name: session.first }, true);
  }
  if (session.done) tabs.showAbout();
}

function showHeadline() {
  const element = $("headline");
  if (!session.two) {
    element.textContent = `${session.tensors.length.toLocaleString("en")} tensors`;
    return;
  }
  const measured = session.tensors.filter((tensor) => tensor.measured).length;
  const first = session.tensors[divergentPositions()[0]];
  element.className = session.error || first ? "bad" : session.done ? "good" : "";
  if (session.error) element.textContent = session.error;
  else if (session.done) setChildren(element, [session.headline, session.noise ? h("small", {}, ` ${session.noise}`) : null]);
  else element.textContent = `${first ? `first divergence: ${first.name}` : "no divergence so far"} · ${measured} of ${session.tensors.length} compared`;
  element.title = element.textContent;
}

async function start() {
  try {
    await openSession();
  } catch (error) {
    $("headline").className = "bad";
    $("headline").textContent = error.message;
    return;
  }
  setNormalizer(withChannel);
  startNavigation();
  setChildren($("sources"), Object.entries(session.about.sides).map(([letter, side]) => h("span", { class: `source side-${letter}`, title: side.label }, session.two ? h("b", {}, letter.toUpperCase()) : null, side.label)));
  $("next").hidden = $("previous").hidden = !session.two;
  document.body.classList.toggle("two", session.two);
  glossary.start();
  timeline.start();
  list.start();
  keyboard.start();
  tabs.start();
  onVerdicts(updateVerdicts);
  onNavigate(update);
  const loaded = image.start(); // start this request before the requests for thumbnails
  if (!currentState().name) {
    const first = session.two ? session.tensors[divergentPositions()[0]] : session.tensors.find(({ name }) => /^onet\/crop000\/input$/.test(name)) ?? session.tensors[0];
    initialName = session.two ? first?.name ?? "" : "";
    navigate({ name: (first ?? session.tensors[0]).name, view: session.two && first ? "difference" : currentState().view }, true);
  } else update(currentState(), {});
  showHeadline();
  await loaded;
  image.update(currentState(), {});
  document.body.dataset.ready = "";
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  resetColours();
  layers.update(currentState());
  maps.repaint();
  image.redraw();
  timeline.legend();
  timeline.redraw();
});

start();
