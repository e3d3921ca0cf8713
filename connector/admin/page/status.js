"use strict";

// Asks for status.json every two seconds while the page is seen, and writes what it says into the page as text.

const ASK_EVERY_MS = 2000;
const GIVE_UP_MS = 5000;
const ROWS_MAX = 200;
const HISTORY_MAX = 150; // five minutes

const history = { lag: [], delivered: [] };
let lastAnswer = null;
let timer = 0;

const at = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function write(id, text) {
  const node = at(id);
  if (node.textContent !== text) node.textContent = text; // a screen reader says what changes, so nothing changes in vain
}

function element(name, text, className) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

function ago(seconds) {
  return seconds < 2 ? "just now" : `${span(seconds)} ago`;
}

function rate(value) {
  return count(value < 10 ? value : Math.round(value));
}

function count(value) {
  if (value === null || value === undefined) return "–";
  return value < 100000 ? number.format(value) : compact.format(value);
}

function exact(value) {
  return value === null ? "–" : number.format(value);
}

function size(bytes) {
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KiB`;
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// `commands` stand in backticks
function prose(text, className) {
  const node = element("p", undefined, className);
  text.split("`").forEach((part, i) => node.append(i % 2 ? element("code", part) : part));
  return node;
}

function clock(iso) {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

function showHeadline(head, explained) {
  at("headline").dataset.tone = head.tone;
  write("state", head.text);
  write("detail", explained ? "" : sentence(head.detail));
  write("since", head.since ? `For ${span(head.for_seconds)}, since ${clock(head.since)}` : "");
  document.title = `${head.text} – airship-connector`;
}

function showTroubles(troubles) {
  at("troubles").hidden = troubles.length === 0;
  const items = troubles.map((trouble) => {
    const item = element("li");
    item.dataset.tone = trouble.stops_delivery ? "bad" : "waiting";
    const title = element("p");
    title.append(element("strong", sentence(trouble.title)), ` for ${span(trouble.for_seconds)}, since ${clock(trouble.since)}`);
    item.append(title);
    if (trouble.detail) item.append(element("p", sentence(trouble.detail)));
    item.append(prose(trouble.mend, "quiet"));
    return item;
  });
  at("trouble-list").replaceChildren(...items);
}

function plot(id, values, label) {
  const place = at(id);
  if (values.length < 2) return;
  const top = Math.max(...values, 1);
  const points = values.map((value, i) => `${(i * 100) / (values.length - 1)},${30 - (value * 28) / top}`).join(" ");
  let line = place.querySelector("polyline");
  if (!line) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 32");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    svg.append(line);
    place.replaceChildren(svg);
  }
  line.setAttribute("points", points);
  place.firstChild.setAttribute("aria-label", `${label}, since this page was opened: from ${count(values[0])} to ${count(values.at(-1))}`);
}

function showFigures(status) {
  write("lag", count(status.lag));
  write("lag-note", status.lag === null ? "not known yet" : "records");
  write("delivered", rate(status.rates.delivered));
  write("delivered-note", status.last_delivery ? `a second, last accepted ${ago(status.last_delivery_seconds_ago)}` : "events a second");
  write("in-flight", count(status.requests.in_flight));
  write("in-flight-note", `of ${count(status.requests.max)} requests, ${count(status.requests.batches_waiting)} batches wait`);
  write("rejected", count(status.rejects.reduce((sum, reject) => sum + reject.count, 0)));
  write("rejected-note", status.rates.rejected > 0 ? `${rate(status.rates.rejected)} a second now` : "since the start");
  if (status.lag !== null) history.lag.push(status.lag);
  history.delivered.push(status.rates.delivered);
  for (const values of Object.values(history)) if (values.length > HISTORY_MAX) values.shift();
  plot("lag-plot", history.lag, "Records behind");
  plot("delivered-plot", history.delivered, "Events delivered a second");
}

function station(name, tone, state, lines) {
  const item = element("li");
  item.dataset.tone = tone;
  item.append(element("h3", name), element("p", sentence(state), "state"));
  for (const line of lines) item.append(element("p", line, "quiet"));
  return item;
}

function showPath(status) {
  const of = (...sides) => status.troubles.filter((trouble) => sides.includes(trouble.side));
  const state = (troubles, otherwise) => (troubles.length ? troubles[0].title : otherwise);
  const tone = (troubles) => (troubles.some((t) => t.stops_delivery) ? "bad" : troubles.length ? "waiting" : "good");
  const kafka = of("kafka");
  const here = of("schema_registry", "dead_letters", "rejects");
  const airship = of("airship");
  const open = status.breaker.state !== "closed";
  const paused = status.partitions.filter((partition) => partition.paused).length;
  const window = status.window;
  const reading = paused && paused === status.partitions.length ? "Paused" : status.rates.read > 0 ? "Reading" : status.lag ? "Not reading now" : "Nothing new";
  const failing = !open && status.breaker.reason !== "" && status.rates.delivered === 0;
  const taking = failing ? "Requests fail and are tried again" : status.rates.delivered > 0 ? "Accepting" : status.requests.in_flight ? "Has not answered yet" : "Not asked now";
  at("path").replaceChildren(
    station("Kafka", tone(kafka), state(kafka, reading), [
      `${count(status.partitions.length)} partitions, ${count(paused)} paused`,
      `${rate(status.rates.read)} records read a second`,
    ]),
    station("Connector", tone(here), state(here, "Nothing wrong"), [
      `${count(window.records)} of ${count(window.records_max)} records in the window`,
      `${size(window.bytes)} of ${size(window.bytes_max)}`,
      `${count(status.dead_letters_waiting)} dead letters without a report`,
    ]),
    station("Airship", open ? "bad" : failing && !airship.length ? "waiting" : tone(airship), open ? `Breaker ${status.breaker.state.replace("_", " ")}` : state(airship, taking), [
      `${rate(status.rates.requests)} requests a second`,
      status.last_delivery ? `Last accepted ${ago(status.last_delivery_seconds_ago)}` : "Nothing accepted yet",
    ]),
  );
}

function showRejects(rejects) {
  at("rejects").hidden = rejects.length === 0;
  const rows = rejects.map((reject) => {
    const row = element("tr");
    const reason = element("th", reject.reason);
    reason.scope = "row";
    row.append(reason, element("td", reject.stage), element("td", count(reject.count), "number"), element("td", ago(reject.last_seconds_ago), "number"), element("td", reject.fault, "fault"));
    return row;
  });
  at("reject-rows").replaceChildren(...rows);
}

function showPartitions(partitions) {
  at("no-partitions").hidden = partitions.length > 0;
  at("partition-table").hidden = partitions.length === 0;
  const worst = [...partitions].sort((a, b) => (b.lag ?? -1) - (a.lag ?? -1)).slice(0, ROWS_MAX);
  at("more-partitions").hidden = partitions.length <= ROWS_MAX;
  write("more-partitions", `The ${ROWS_MAX} furthest behind of ${partitions.length}; all are in status.json.`);
  const rows = worst.map((partition) => {
    const row = element("tr");
    const name = element("th", `${partition.topic}[${partition.partition}]`);
    name.scope = "row";
    const state = element("td", partition.dead_letters_waiting ? "waits for dead letters" : partition.paused ? "paused" : "reading", "state");
    state.dataset.tone = partition.dead_letters_waiting || partition.paused ? "waiting" : "good";
    row.append(name);
    const { lag, window_records: waiting, oldest_seconds: oldest, committed, end } = partition;
    for (const text of [exact(lag), exact(waiting), span(oldest), exact(committed), exact(end)]) {
      row.append(element("td", text, "number"));
    }
    row.append(state);
    return row;
  });
  at("partition-rows").replaceChildren(...rows);
}

function show(status) {
  write("group", status.group);
  write("version", status.version);
  showHeadline(status.headline, status.headline.state === "blocked"); // a block is explained in the list below it
  if (status.rates === undefined) return; // the loop has not reported yet
  showTroubles(status.troubles);
  showFigures(status);
  showPath(status);
  showRejects(status.rejects);
  showPartitions(status.partitions);
}

async function ask() {
  const enough = new AbortController();
  const limit = setTimeout(() => enough.abort(), GIVE_UP_MS);
  try {
    const answer = await fetch("status.json", { signal: enough.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
    lastAnswer = new Date();
    at("offline").hidden = true;
    at("main").classList.remove("outdated");
  } catch (error) {
    const since = lastAnswer ? `The last answer came at ${lastAnswer.toLocaleTimeString()}.` : "It has not answered yet.";
    write("offline", `The connector does not answer. ${since}`);
    at("offline").hidden = false;
    at("main").classList.add("outdated");
  } finally {
    clearTimeout(limit);
  }
  timer = document.hidden ? 0 : setTimeout(ask, ASK_EVERY_MS);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && timer === 0) ask();
});
ask();
