// Asks a gateway with Vercel's AI SDK, whose default model of OpenAI uses the Responses API. Prints the
// results as one line of JSON: node vercel.mjs FOLDER URL KEY MODEL
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, baseURL, apiKey, model] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/package.json`));
const installed = (name) => import(pathToFileURL(require.resolve(name)).href);
const { generateText, streamText, Output, stepCountIs, tool } = await installed("ai");
const { createOpenAI } = await installed("@ai-sdk/openai");
const { z } = await installed("zod");

const openai = createOpenAI({ baseURL, apiKey });
// Without this, the SDK refers to the items of earlier turns, which the gateway does not store.
const providerOptions = { openai: { store: false } };
const results = {};

const whole = await generateText({
    model: openai(model), system: "Be kind.", prompt: "#script text=Good_day", maxRetries: 0,
});
results.whole = whole.text;
results.finish = whole.finishReason;
results.tokens = whole.usage.totalTokens;

const stream = streamText({
    model: openai(model), prompt: "#script text=one_two_three reasoning=hm", maxRetries: 0,
});
results.deltas = [];
for await (const delta of stream.textStream) results.deltas.push(delta);
results.reasoning = await stream.reasoningText;

const called = [];
const look = tool({
    description: "The weather of a place.",
    inputSchema: z.object({ location: z.string() }),
    execute: async ({ location }) => {
        called.push(location);
        return "sunny";
    },
});
const agent = streamText({
    model: openai(model), prompt: "The weather in Paris?", tools: { look }, stopWhen: stepCountIs(3), maxRetries: 0,
    providerOptions,
});
await agent.consumeStream();
results.called = called;
results.steps = (await agent.steps).length;

const person = await generateText({
    model: openai(model), prompt: "Who is it?", maxRetries: 0,
    output: Output.object({ schema: z.object({ name: z.string(), age: z.number() }) }),
});
results.person = Object.keys(person.output).sort();

console.log(JSON.stringify(results));
