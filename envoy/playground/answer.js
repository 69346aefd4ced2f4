// Reads responses. Responses are not trusted: values of an unexpected type are ignored.

/** The length of the raw response that is kept, in characters. */
const RAW = 200000;

/** Splits text chunks into server-sent events. The gateway ends its lines with `\n`. */
class Events {
  constructor() {
    this.rest = "";
  }

  /** Returns the data of the events that are complete. */
  feed(piece) {
    const blocks = (this.rest + piece).split("\n\n");
    this.rest = blocks.pop();
    return blocks.map(data).filter((event) => event !== null);
  }
}

/** Returns the data of an event; null for a comment. */
function data(block) {
  const lines = block.split("\n").filter((line) => line.startsWith("data:"));
  if (lines.length === 0) return null;
  return lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
}

/** The first choice of a chat answer, complete or streamed. */
class Answer {
  constructor() {
    Object.assign(this, { text: "", reasoning: "", calls: [], images: [], raw: "" });
    Object.assign(this, { model: "", finish: "", usage: {}, time: 0, error: null, done: false });
  }

  /** Appends to the raw response. */
  keep(piece) {
    if (this.raw.length < RAW) this.raw = (this.raw + piece).slice(0, RAW);
  }

  /** Reads the body of an answer in one piece, or of an error. */
  whole(text) {
    const body = object(parsed(text));
    if (body.error !== undefined) this.error = body;
    else if (!list(body.choices).length) this.error = { message: "the response is not a chat answer" };
    this.take(body, "message");
    this.done = true;
  }

  /** Reads the data of an event. Returns true if it had content. */
  event(text) {
    if (text === "[DONE]") {
      this.done = true;
      return false;
    }
    const chunk = object(parsed(text));
    if (chunk.error !== undefined) this.error = chunk;
    return this.take(chunk, "delta");
  }

  take(body, name) {
    this.model = string(body.model) || this.model;
    if (body.usage) this.usage = object(body.usage);
    // Nanoseconds, measured at the provider.
    if (body.response_time) this.time = Number(body.response_time) / 1e6;
    const choice = object(list(body.choices).find((one) => (object(one).index ?? 0) === 0));
    this.finish = string(choice.finish_reason) || this.finish;
    return this.add(object(choice[name]));
  }

  /** Adds a message or a delta. Returns true if it had content. */
  add(message) {
    const text = string(message.content) || string(message.refusal);
    const reasoning = string(message.reasoning_content);
    const [calls, images] = [list(message.tool_calls), list(message.images)];
    this.text += text;
    this.reasoning += reasoning;
    this.images.push(...images.map(picture).filter(Boolean));
    calls.forEach((call, at) => this.call(object(call), at));
    return text !== "" || reasoning !== "" || calls.length + images.length > 0;
  }

  call(call, at) {
    const index = Number.isInteger(call.index) ? call.index : at;
    // Indexes are consecutive: a greater index is a provider's mistake.
    if (index < 0 || index > this.calls.length) return;
    const made = { id: "", type: "function", function: { name: "", arguments: "" } };
    const known = (this.calls[index] ??= made);
    known.id ||= string(call.id);
    known.function.name ||= string(object(call.function).name);
    known.function.arguments += string(object(call.function).arguments);
  }
}

/** Returns the data URL of an image; any other URL would cause a request. */
function picture(image) {
  const url = string(object(object(image).image_url).url);
  return /^data:image\/(png|jpeg|webp|gif);base64,/.test(url) ? url : null;
}

/** Returns the attempts of `x-attache-attempts`: `gpt-5=503/120ms claude=200/812ms`. */
function attempts(header) {
  const read = (word) => word.match(/^(.+)=(\d+)\/(\d+)ms$/);
  const found = (header ?? "").split(" ").map(read).filter(Boolean);
  return found.map(([, model, status, time]) => attemptMade(model, status, time));
}

/** Returns the attempts of an error's `metadata.attempts`. */
function attemptsOf(error) {
  const named = list(object(object(error).metadata).attempts).map(object);
  const read = (one) => attemptMade(string(one.model), one.status, one.duration_ms);
  return named.map(read).filter((one) => one.model !== "");
}

function attemptMade(model, status, time) {
  return { model, status: Number(status), time: Number(time) };
}

/** Returns all mistakes of an error, or its own message if it has none. */
function mistakes(error) {
  const own = string(object(error.error).message) || string(error.message) || "no reason was given";
  const named = list(object(error.metadata).errors).map(string).filter(Boolean);
  return named.length > 0 ? named : [own];
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isJson(text) {
  return parsed(text) !== undefined;
}

function string(value) {
  return typeof value === "string" ? value : "";
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function object(value) {
  return isObject(value) ? value : {};
}
