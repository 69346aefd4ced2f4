// Anthropic's SDK for TypeScript as a client: `node anthropic.mjs URL KEY MODEL`.

import assert from "node:assert/strict";

const SDK = new URL("../../.build/anthropic/node_modules/@anthropic-ai/sdk/index.mjs", import.meta.url);
const { default: Anthropic } = await import(SDK);
const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const said = (content) => [{ role: "user", content }];
const look = {
  name: "look",
  description: "The weather of a place.",
  input_schema: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
};

const message = await client.messages.create({ model, max_tokens: 100, messages: said("#script text=Good_day") });
assert.deepEqual([message.model, message.stop_reason], [model, "end_turn"]);
assert.equal(message.content[0].text, "Good day");
assert.match(message._request_id, /^[0-9a-f-]{36}$/);

const texts = [];
const stream = client.messages.stream({ model, max_tokens: 100, messages: said("#script text=one_two_three") });
stream.on("text", (text) => texts.push(text));
const final = await stream.finalMessage();
assert.equal(texts.join(""), "one two three");
assert.equal(final.usage.output_tokens, 3);

const messages = said("What is the weather in Paris?");
const first = await client.messages.stream({ model, max_tokens: 100, messages, tools: [look] }).finalMessage();
const call = first.content.find((block) => block.type === "tool_use");
assert.deepEqual([first.stop_reason, call.name, call.input], ["tool_use", "look", { location: "Paris" }]);
messages.push({ role: "assistant", content: first.content });
messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "sunny" }] });
const second = await client.messages.create({ model, max_tokens: 100, messages, tools: [look] });
assert.equal(second.stop_reason, "end_turn");

const counted = await client.messages.countTokens({ model, messages: said("one two three") });
assert.ok(counted.input_tokens > 0);

const ids = [];
for await (const listed of client.models.list()) ids.push(listed.id);
assert.ok(ids.includes(model));

await assert.rejects(
  client.messages.create({ model: "nobody", max_tokens: 9, messages: said("hi") }),
  (error) => error instanceof Anthropic.BadRequestError && error.error.error.type === "invalid_request_error",
);
