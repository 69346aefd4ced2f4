// What comes back is read here. Who wrote it is not trusted: whatever has another shape than it
// should have is left out.

/** How much of an answer is kept as it came, in characters. */
const RAW = 200000;

/** Cuts a text that comes in pieces into server-sent events. The gateway ends its lines with `\n`. */
class Events {
  constructor() {
    this.rest = "";
  }

  /** The data of the events that are complete now. */
  feed(piece) {
    const blocks = (this.rest + piece).split("\n\n");
    this.rest = blocks.pop();
    return blocks.map(data).filter((event) => event !== null);
  }
}

/** The data of an event; null of a comment. */
function data(block) {
  const lines = block.split("\n").filter((line) => line.startsWith("data:"));
  if (lines.length === 0) return null;
  return lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
}

/** A chat answer, in one piece or as it grows: its first choice. */
class Answer {
  constructor() {
    Object.assign(this, { text: "", reasoning: "", calls: [], images: [], raw: "" });
    Object.assign(this, { model: "", finish: "", usage: {}, time: 0, error: null, done: false });
  }

  /** Keeps what came, word for word. */
  keep(piece) {
    if (this.raw.length < RAW) this.raw = (this.raw + piece).slice(0, RAW);
  }

  /** Takes in the body of an answer in one piece, or of an error. */
  whole(text) {
    const body = object(parsed(text));
    if (body.error !== undefined) this.error = body;
    else if (!list(body.choices).length) this.error = { message: "this is no chat answer" };
    this.take(body, "message");
    this.done = true;
  }

  /** Takes in the data of an event. Whether it brought content. */
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
    // In nanoseconds, at the provider.
    if (body.response_time) this.time = Number(body.response_time) / 1e6;
    const choice = object(list(body.choices).find((one) => (object(one).index ?? 0) === 0));
    this.finish = string(choice.finish_reason) || this.finish;
    return this.add(object(choice[name]));
  }

  /** Takes in a message, or what is new of it. */
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
    // Indexes run: a greater one is a provider's joke.
    if (index < 0 || index > this.calls.length) return;
    const made = { id: "", type: "function", function: { name: "", arguments: "" } };
    const known = (this.calls[index] ??= made);
    known.id ||= string(call.id);
    known.function.name ||= string(object(call.function).name);
    known.function.arguments += string(object(call.function).arguments);
  }
}

/** The address of a picture that carries its own pixels; any other would be a request. */
function picture(image) {
  const url = string(object(object(image).image_url).url);
  return /^data:image\/(png|jpeg|webp|gif);base64,/.test(url) ? url : null;
}

/** What `x-attache-attempts` says: `gpt-5=503/120ms claude=200/812ms`. */
function attempts(header) {
  const read = (word) => word.match(/^(.+)=(\d+)\/(\d+)ms$/);
  const found = (header ?? "").split(" ").map(read).filter(Boolean);
  return found.map(([, model, status, time]) => attemptMade(model, status, time));
}

/** The same of an error's `metadata.attempts`. */
function attemptsOf(error) {
  const named = list(object(object(error).metadata).attempts).map(object);
  const read = (one) => attemptMade(string(one.model), one.status, one.duration_ms);
  return named.map(read).filter((one) => one.model !== "");
}

function attemptMade(model, status, time) {
  return { model, status: Number(status), time: Number(time) };
}

/** Every mistake that an error names, its own message if it names none. */
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
