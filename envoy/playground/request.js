"use strict";

// Builds chat requests from the values of the form. This file does not access the page.

/** The error of a field with an invalid value. */
class Unusable extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** Returns the chat request for the values of the form, without a model. */
function chatRequest(values) {
  const body = { messages: messages(values) };
  if (values.stream) Object.assign(body, { stream: true, stream_options: { include_usage: true } });
  Object.assign(body, tools(values), structure(values), fallbacks(values));
  if (values.repair) body.post_processing_steps = [{ type: "json-repair" }];
  if (values.transcriptOn) body.transcript_id = values.transcript.trim();
  if (values.moreOn) Object.assign(body, more(values));
  return body;
}

function messages(values) {
  const said = [{ role: "user", content: values.message }];
  return values.system ? [{ role: "system", content: values.system }, ...said] : said;
}

function tools(values) {
  if (!values.toolsOn) return {};
  const offered = { tools: json("tools", values.tools, Array.isArray, "an array") };
  return values.toolChoice ? { ...offered, tool_choice: values.toolChoice } : offered;
}

function structure(values) {
  if (!values.schemaOn) return {};
  const schema = json("schema", values.schema, isObject, "an object");
  return { response_format: { type: "json_schema", json_schema: { name: "answer", schema } } };
}

function fallbacks(values) {
  if (!values.fallbacksOn) return {};
  const named = values.fallbacks.filter(Boolean).map((model) => ({ model }));
  const config = { fallback_config: { retry: values.retry } };
  if (named.length === 0) return config;
  config.fallback_config.depth = named.length;
  return { fallbacks: named, ...config };
}

function more(values) {
  const set = {};
  if (values.temperature !== "") set.temperature = Number(values.temperature);
  if (values.maxTokens !== "") set.max_tokens = Number(values.maxTokens);
  return { ...set, ...json("other", values.other, isObject, "an object") };
}

/** Returns the request of the next turn: the same request with an answer's calls and results. */
function withResults(body, answer, results) {
  const turn = { role: "assistant", content: answer.text || null, tool_calls: answer.calls };
  if (answer.reasoning) turn.reasoning_content = answer.reasoning;
  const tool = (call, at) => ({ role: "tool", tool_call_id: call.id, content: results[at] });
  return { ...body, messages: [...body.messages, turn, ...answer.calls.map(tool)] };
}

/** Returns the value of a JSON field if it has the expected type. */
function json(field, text, fits, kind) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Unusable(field, `${field}: ${error.message}`);
  }
  if (!fits(value)) throw new Unusable(field, `${field}: this is JSON, but not ${kind}`);
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Returns the parameters of a request that a model does not support. */
function foreign(body, model) {
  const listed = ["temperature", "tools", "tool_choice", "response_format"];
  const taken = model.supported_parameters ?? [];
  return listed.filter((name) => name in body && !taken.includes(name));
}

/** Returns a command that sends a request, without the key, which stays out of the history. */
function curl(url, body) {
  const words = [
    `curl -sS${body.stream ? " -N" : ""} ${quoted(url)}`,
    `-H "Authorization: Bearer $ATTACHE_KEY"`,
    `-H 'Content-Type: application/json'`,
    `--data-raw ${quoted(JSON.stringify(body, null, 2))}`,
  ];
  return words.join(" \\\n  ");
}

/** Quotes a text as one word of a POSIX shell. */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
