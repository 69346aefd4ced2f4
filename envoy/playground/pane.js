// One model on the page: its request and its answer. All received texts become text nodes.

const CHAT = new URL("v1/chat/completions", document.baseURI).href;

/** The response headers that are shown. */
const SHOWN = /^(x-attache-|x-ratelimit-|x-request-id$|retry-after$)/;

class Pane {
  /** `ask` sends the results of tools as the next turn. */
  constructor(label, ask) {
    this.root = byId("pane").content.firstElementChild.cloneNode(true);
    const parts = [...this.root.querySelectorAll("[data-part]")];
    this.part = Object.fromEntries(parts.map((part) => [part.dataset.part, part]));
    this.part.model.ariaLabel = label;
    this.root.ariaLabel = label;
    this.part.calls.addEventListener("submit", (event) => {
      event.preventDefault();
      const results = [...this.part.calls.querySelectorAll("input")].map((input) => input.value);
      ask(this, withResults(this.run.body, this.run.answer, results));
    });
  }

  get model() {
    return this.part.model.value;
  }

  get running() {
    return this.run !== undefined && this.run.ended === undefined;
  }

  stop() {
    this.run?.control.abort();
  }

  /** Sends a request and shows its progress until it ends. */
  async send(body, key) {
    this.stop();
    const [answer, control] = [new Answer(), new AbortController()];
    const run = { body, answer, control, begun: performance.now() };
    this.run = run;
    this.drawAll();
    try {
      await this.exchange(run, key);
    } catch (error) {
      run.problem = problemOf(run, error);
    }
    run.ended = performance.now();
    if (this.run === run) this.drawAll();
  }

  async exchange(run, key) {
    const headers = { "content-type": "application/json" };
    if (key) headers.authorization = `Bearer ${key}`;
    const body = JSON.stringify(run.body);
    const options = { method: "POST", headers, body, credentials: "omit", redirect: "error" };
    run.response = await fetch(CHAT, { ...options, signal: run.control.signal });
    this.drawFacts();
    const kind = run.response.headers.get("content-type") ?? "";
    if (kind.startsWith("text/event-stream")) return this.stream(run);
    const text = await run.response.text();
    run.answer.keep(text);
    run.answer.whole(text);
  }

  async stream(run) {
    const text = run.response.body.pipeThrough(new TextDecoderStream());
    const reader = text.getReader();
    const events = new Events();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      run.answer.keep(value);
      for (const event of events.feed(value)) {
        if (run.answer.event(event)) run.first ??= performance.now();
      }
      this.drawSoon();
    }
    if (!run.answer.done && !run.answer.error) throw new Error("the stream ended without [DONE]");
  }

  /** Draws once before the next frame, even after several events. */
  drawSoon() {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  drawAll() {
    this.draw();
    this.drawFacts();
  }

  /** Draws the parts that change while an answer arrives. */
  draw() {
    this.frame = undefined;
    const { part, run } = this;
    part.status.replaceChildren(...status(run));
    drawProblem(part.problem, run);
    drawText(part.thoughts, part.reasoning, run.answer.reasoning);
    drawText(part.text, part.text, run.answer.text);
    part.images.replaceChildren(...run.answer.images.map(image));
    part.calls.hidden = run.answer.calls.length === 0;
    part.calls.replaceChildren(...calls(run));
  }

  drawFacts() {
    const { part, run } = this;
    const headers = [...(run.response?.headers ?? [])].filter(([name]) => SHOWN.test(name));
    part.facts.hidden = run.response === undefined;
    part.attempts.replaceChildren(...attemptsMade(run).map(attempt));
    part.usage.replaceChildren(...pairs(usage(run.answer.usage)));
    part.headers.replaceChildren(...pairs(headers));
    part.sent.textContent = JSON.stringify(run.body, null, 2);
    part.raw.textContent = run.answer.raw;
  }
}

function problemOf(run, error) {
  if (run.control.signal.aborted) return "stopped";
  return run.response ? `the answer was interrupted: ${error.message}` : `no answer: ${error.message}`;
}

/** Returns the status line of a run. */
function status(run) {
  if (run.ended === undefined) {
    return [element("span", { className: "badge live" }, run.first ? "Streaming …" : "Waiting …")];
  }
  const code = run.response?.status;
  const fine = code === 200 && !run.answer.error && !run.problem;
  const words = [badge(fine, code ?? "failed")];
  const add = (name, value) => {
    words.push(element("span", {}, `${name} `, element("b", {}, value)));
  };
  if (run.first) add("first content", time(run.first - run.begun));
  add("total", time(run.ended - run.begun));
  if (run.answer.time) add("provider", time(run.answer.time));
  if (run.answer.finish) add("finish", run.answer.finish);
  const { model, text } = run.answer;
  if (model && model !== run.body.model) add("answered by", model);
  const wantsJson = run.body.response_format || run.body.post_processing_steps;
  if (wantsJson && text) add("content", isJson(text) ? "valid JSON" : "not JSON");
  return words;
}

function drawProblem(place, run) {
  const { error } = run.answer;
  place.hidden = !error && !run.problem;
  if (place.hidden) return place.replaceChildren();
  if (!error) return place.replaceChildren(run.problem);
  const code = string(object(error.error).code) || "error";
  const title = run.response.status === 200 ? `${code} in the stream` : code;
  const items = mistakes(error).map((mistake) => element("li", {}, mistake));
  place.replaceChildren(element("b", {}, title), element("ul", {}, ...items));
}

function drawText(place, node, text) {
  place.hidden = text === "";
  // Replacing the text would clear the reader's selection.
  if (node.textContent !== text) node.textContent = text;
}

/** Returns the tool calls, with inputs for their results once the answer is complete. */
function calls(run) {
  const made = run.answer.calls.map((call, at) => {
    const text = `${call.function.name}(${call.function.arguments})`;
    const said = element("code", { dir: "auto" }, text);
    const placeholder = "Result of the tool";
    const result = element("input", { placeholder, ariaLabel: `Result of call ${at + 1}` });
    return element("div", { className: "call" }, said, ...(run.ended ? [result] : []));
  });
  return run.ended ? [...made, element("button", { type: "submit" }, "Send results")] : made;
}

function attemptsMade(run) {
  const told = attempts(run.response?.headers.get("x-attache-attempts"));
  return told.length > 0 ? told : attemptsOf(run.answer.error);
}

function attempt({ model, status, time: taken }) {
  const name = element("b", {}, model);
  return element("li", {}, name, " ", badge(status === 200, status), ` ${time(taken)}`);
}

function badge(fine, status) {
  return element("span", { className: fine ? "badge good" : "badge bad" }, String(status));
}

function usage(told) {
  const rows = [
    ["tokens in", told.prompt_tokens],
    ["cached", object(told.prompt_tokens_details).cached_tokens],
    ["tokens out", told.completion_tokens],
    ["reasoning", object(told.completion_tokens_details).reasoning_tokens],
    ["total", told.total_tokens],
  ];
  const given = rows.filter(([, count]) => Number.isInteger(count) && count > 0);
  return given.map(([name, count]) => [name, count.toLocaleString("en")]);
}

function pairs(rows) {
  const row = ([name, value]) => [element("dt", {}, name), element("dd", {}, value)];
  return rows.map((pair) => element("div", {}, ...row(pair)));
}

function image(url, at) {
  return element("img", { src: url, alt: `Image ${at + 1} of the answer` });
}

function time(milliseconds) {
  return milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** Creates an element with children; strings become text. */
function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function byId(id) {
  return document.getElementById(id);
}
