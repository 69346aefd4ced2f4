// The playground in a real browser, in front of a real gateway with the scripted provider behind it:
// `ATTACHE_URL` is the gateway, `ATTACHE_KEY` a key it takes.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";

import { launch } from "./browser.mjs";

const URL = process.env.ATTACHE_URL;
const KEY = process.env.ATTACHE_KEY;

let browser, page, pane, complaints, requests;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(() => open({ viewport: { width: 1400, height: 900 } }));

afterEach(async () => {
  await page.context().close();
  assert.deepEqual(complaints, [], "what the browser complained about");
  const elsewhere = requests.filter(
    (url) => !url.startsWith(`${URL}/`) && !url.startsWith("data:"),
  );
  assert.deepEqual(elsewhere, [], "requests to others");
});

/** A browser that nobody used before, with the page in it. */
async function open(options) {
  const context = await browser.newContext(options);
  [page, complaints, requests] = [await context.newPage(), [], []];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => complaints.push(dialog.message()));
  page.on("console", (message) => {
    // A refused request is no fault of the page's.
    const refused = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !refused) complaints.push(message.text());
  });
  await page.goto(`${URL}/playground`);
  await page.locator("option", { hasText: "gpt" }).first().waitFor({ state: "attached" });
  await page.getByLabel("API key").fill(KEY);
  pane = page.getByRole("region", { name: "Model", exact: true });
  await choose("gpt");
}

const choose = (model, within = pane) => within.getByRole("combobox").selectOption(model);
const say = (text) => page.getByLabel("Message", { exact: true }).fill(text);
const turnOn = (name) => page.getByLabel(name, { exact: true }).check();
const turnOff = (name) => page.getByLabel(name, { exact: true }).uncheck();
const part = (name, within = pane) => within.locator(`[data-part="${name}"]`);
const said = (name, within = pane) => part(name, within).innerText();
const base64 = (text) => Buffer.from(text).toString("base64url");

/** Presses a button and waits until the pane's answer is over. */
async function send(
  within = pane,
  button = page.getByRole("button", { name: "Send", exact: true }),
) {
  await button.click();
  await over(within);
}

const over = (within = pane) => part("status", within).locator(".good, .bad").waitFor();

/** A header that the pane shows. */
async function header(name, within = pane) {
  const row = part("headers", within).locator("div", {
    has: page.getByText(name, { exact: true }),
  });
  return (await row.count()) === 0 ? null : row.locator("dd").innerText();
}

test("an answer is shown while it streams", async () => {
  await say("#script delay=300 text=one_two_three_four_five");
  await page.getByLabel("Message", { exact: true }).press("Control+Enter");
  await part("text")
    .filter({ hasText: /^one two/ })
    .waitFor();
  assert.equal(await said("status"), "Streaming …");
  assert.ok(!(await said("text")).includes("five"));
  await over();
  assert.equal(await said("text"), "one two three four five");
  assert.match(
    await said("status"),
    /^200\s+first content [0-9]+ ms\s+total [12]\.[0-9]+ s\s+finish stop$/,
  );
  assert.match(await said("usage"), /tokens out\s+5/);
  assert.match(await said("attempts"), /^gpt 200 \d+ ms$/);
  assert.match(await header("x-request-id"), /^[0-9a-f-]{36}$/);
  assert.match(await header("x-attache-attempts"), /^gpt=200\/\d+ms$/);
  assert.equal(await header("x-attache-region"), "us");
  assert.match(await header("x-ratelimit-remaining"), /^\d+$/);
});

test("an answer in one piece says how long the provider took", async () => {
  await turnOff("Stream");
  await say("hello #script reasoning=hm head-delay=60 text=hi");
  await send();
  assert.equal(await said("text"), "hi");
  assert.equal(await said("reasoning"), "hm");
  assert.match(await said("status"), /^200\s+total \d+ ms\s+provider \d+ ms\s+finish stop$/);
});

test("two models answer side by side", async () => {
  await turnOn("Compare two");
  const second = page.getByRole("region", { name: "Second model" });
  await choose("claude", second);
  await say("hello");
  await send();
  await over(second);
  assert.equal(await said("text"), "gpt-upstream heard: hello");
  assert.equal(await said("text", second), "claude-upstream heard: hello");
  const [left, right] = [await pane.boundingBox(), await second.boundingBox()];
  assert.equal(left.y, right.y);
  assert.ok(right.x >= left.x + left.width);
});

test("a tool is called, and its result goes back", async () => {
  for (const model of ["gpt", "claude", "gemini"]) {
    await choose(model);
    await turnOn("Tools");
    await say("What is the weather in Paris?");
    await send();
    assert.match(await said("calls"), /get_weather\(\{"location":\s?"Paris"\}\)/, model);
    await page.getByLabel("Result of call 1").fill('31 degrees, "sunny"');
    await send(pane, page.getByRole("button", { name: "Send results" }));
    assert.match(await said("text"), /heard: What is the weather in Paris\?$/, model);
    const sent = JSON.parse(await part("sent").textContent()).messages;
    assert.deepEqual(
      sent.map((message) => message.role),
      ["user", "assistant", "tool"],
    );
    assert.equal(sent[2].content, '31 degrees, "sunny"');
    assert.equal(sent[2].tool_call_id, sent[1].tool_calls[0].id);
  }
});

test("an answer is repaired by the schema, streamed or not", async () => {
  await turnOn("Structured output");
  const broken = "Here: {'city': 'Seville', 'degrees': '31.5',}";
  await say(`#script text64=${base64(broken)}`);
  await send();
  assert.match(await said("status"), /content not JSON/);
  await turnOn("Repair JSON");
  for (const turn of [turnOn, turnOff]) {
    await turn("Stream");
    await send();
    assert.equal(await said("text"), '{"city": "Seville", "degrees": 31.5}');
    assert.match(await said("status"), /content valid JSON/);
  }
  assert.match(await header("x-attache-repair"), /^content=surrounding_text,.*coerced/);
});

test("a transcript takes the place of its tag", async () => {
  await turnOn("Transcript");
  await page.getByLabel("transcript_id").fill(" call-17 ");
  await say("<< {{ transcript }} >>");
  await send();
  assert.equal(await said("text"), "gpt-upstream heard: << said in call-17 >>");
});

test("who was asked before is told", async () => {
  await turnOn("Fallbacks");
  await page.getByLabel("If it fails, ask").selectOption("claude");
  await say("#script status=503 | status=503 | text=at_last");
  await send();
  assert.equal(await said("text"), "at last");
  assert.match(await said("status"), /answered by claude/);
  const asked = (await part("attempts").locator("li").allInnerTexts()).map((line) =>
    line.split(" ", 2).join(" "),
  );
  assert.deepEqual(asked, ["gpt 503", "gpt 503", "claude 200"]);
  await page.getByLabel("Retry the same model first").uncheck();
  await say("#script status=503 | text=at_once");
  await send();
  assert.equal(await part("attempts").locator("li").count(), 2);
});

test("errors are told whole", async () => {
  await turnOn("More");
  await page.getByLabel(/^Other parameters/).fill('{"top_p": 7, "stop": 5}');
  await send();
  assert.match(await said("problem"), /^invalid_value\s+top_p must be .*\s+stop must be /);
  assert.equal(await part("text").isVisible(), false);
  await page.getByLabel(/^Other parameters/).fill("{}");

  await say("#script status=503");
  await send();
  assert.match(await said("status"), /^503/);
  assert.deepEqual(await part("attempts").locator("b").allInnerTexts(), ["gpt", "gpt"]);

  await say("#script text=one_two_three error-after=3");
  await send();
  assert.match(await said("problem"), /in the stream/);
  assert.match(await said("text"), /^one/);
  assert.equal(await part("status").locator(".good").count(), 0);

  await page.getByLabel("API key").fill("wrong");
  await send();
  assert.match(await said("problem"), /^invalid_api_key\s+Authentication error/);
});

test("a stream that breaks off is told of, and what came stays", async () => {
  await say("#script text=one_two_three_four delay=50 cut=4");
  await send();
  assert.match(await said("problem"), /^the answer was interrupted: /);
  assert.match(await said("text"), /^one/);
});

test("what cannot be sent is said at its field", async () => {
  await turnOn("Tools");
  for (const [text, told] of [
    ["[{]", /^tools: /],
    ["{}", /^tools: this is JSON, but not an array$/],
  ]) {
    await page.getByLabel("tools, a JSON array").fill(text);
    await page.getByRole("button", { name: "Send", exact: true }).click();
    assert.match(await page.locator("#form-problem").innerText(), told);
    assert.equal(await page.evaluate(() => document.activeElement.id), "tools");
  }
  assert.ok(!requests.some((url) => url.endsWith("/completions")));
  await turnOff("Tools");
  await send();
  assert.equal(await page.locator("#form-problem").isVisible(), false);
});

test("what a model does not take is said before it is asked", async () => {
  await choose("worldly");
  assert.ok(!(await said("about")).includes("does not take"));
  await turnOn("Tools");
  assert.match(await said("about"), /does not take tools$/);
});

test("Escape stops", async () => {
  await say("#script text=one_two_three delay=3000");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await part("status").filter({ hasText: "Waiting" }).waitFor();
  await page.keyboard.press("Escape");
  await over();
  assert.equal(await said("problem"), "stopped");
  assert.equal(await page.getByRole("button", { name: "Stop" }).isDisabled(), true);
});

test("what a model says never becomes markup", async () => {
  const bait = `<img src=x onerror=alert(1)><script>alert(2)</script>"'\`</pre></template>\u202e${"<b>".repeat(50)}`;
  const answer = {
    id: bait,
    object: "chat.completion",
    created: 1,
    model: bait,
    usage: { prompt_tokens: bait },
    choices: [
      {
        index: 0,
        finish_reason: "stop",
        message: {
          role: "assistant",
          content: bait,
          reasoning_content: bait,
          tool_calls: [{ id: bait, type: "function", function: { name: bait, arguments: bait } }],
          images: [
            { type: "image_url", image_url: { url: `${URL}/beacon` } },
            { image_url: { url: "javascript:alert(3)" } },
          ],
        },
      },
    ],
  };
  const own = await page.locator("body *").count();
  for (const stream of [true, false]) {
    const script = stream ? `text64=${base64(bait)}` : `body=${base64(JSON.stringify(answer))}`;
    await (stream ? turnOn : turnOff)("Stream");
    await say(`#script ${script}`);
    await send();
    assert.ok((await part("text").textContent()).includes(bait), await pane.innerText());
    assert.equal(await pane.locator("img, script, template, .text *, pre *, code *").count(), 0);
  }
  await say(
    `#script status=400 body=${base64(JSON.stringify({ error: { message: bait, type: bait, code: bait } }))}`,
  );
  await send();
  assert.ok((await part("problem").textContent()).includes("<img src=x onerror=alert(1)>"));
  assert.equal(await part("problem").locator("img, script").count(), 0);
  assert.ok((await page.locator("body *").count()) < own + 60);
  assert.ok(!requests.some((url) => url.includes("beacon")));
});

test("the policy holds what the page would let through", async () => {
  const blocked = await page.evaluate(async () => {
    const refused = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      refused.push(event.effectiveDirective),
    );
    try {
      document.body.innerHTML = "<b>markup</b>";
    } catch (error) {
      refused.push(error.name);
    }
    const script = document.createElement("script");
    document.body.append(script);
    const image = new Image();
    image.src = "http://127.0.0.1:9/";
    await fetch("http://127.0.0.1:9/").catch(() => {});
    await new Promise((done) => setTimeout(done, 50));
    return refused;
  });
  for (const directive of ["TypeError", "require-trusted-types-for", "img-src", "connect-src"]) {
    assert.ok(blocked.includes(directive), `${directive} is not in ${blocked}`);
  }
  // They were provoked.
  [complaints, requests] = [[], []];
});

test("answers of any shape leave the page whole", async () => {
  await turnOff("Stream");
  const bodies = [
    "[]",
    "null",
    "7",
    "{",
    '{"choices":{}}',
    '{"choices":[null]}',
    '{"choices":[{"message":[]}]}',
    '{"choices":[{"message":{"content":7,"tool_calls":[null,{"index":99}],"images":[null,{"image_url":7}]}}],"usage":[]}',
  ];
  for (const body of bodies) {
    await page.route("**/chat/completions", (route) =>
      route.fulfill({ contentType: "application/json", body }),
    );
    await send();
    assert.match(await said("status"), /^200/, body);
  }
});

test("events are put together wherever they are cut", async () => {
  const found = await page.evaluate(() => {
    const stream = 'data: {"é":1}\n\n: ping\n\ndata: a\ndata: b\n\ndata: [DONE]\n\ndata: half';
    const cut = (at) => {
      const events = new Events();
      return [stream.slice(0, at), stream.slice(at)].flatMap((piece) => events.feed(piece));
    };
    return [...new Set(Array.from(stream, (_, at) => JSON.stringify(cut(at))))];
  });
  assert.deepEqual(found, [JSON.stringify(['{"é":1}', "a\nb", "[DONE]"])]);
});

test("the command does what the page does, without the key in it", async () => {
  const told = 'it\'s $(echo no) `echo no` "quoted" \\ and\na new line';
  await say(told);
  await page.getByLabel("System message").fill("be brief");
  for (const turn of [turnOn, turnOff]) {
    await turn("Stream");
    await send();
    await pane.getByRole("button", { name: "curl" }).click();
    const command = await page.locator("#command").inputValue();
    await page.getByRole("button", { name: "Close" }).click();
    assert.ok(!command.includes(KEY));
    const env = { ...process.env, ATTACHE_KEY: KEY, no_proxy: "127.0.0.1" };
    const { stdout } = await promisify(execFile)("bash", ["-c", command], { env });
    const chunks = stdout.startsWith("data:")
      ? stdout.split("\n\n").filter((event) => event.includes("{"))
      : [stdout];
    const choices = chunks.flatMap((chunk) => JSON.parse(chunk.replace(/^data: /, "")).choices);
    const text = choices.map((choice) => (choice.delta ?? choice.message).content ?? "").join("");
    assert.equal(text, await part("text").textContent());
    assert.ok(text.includes('it\'s $(echo no) `echo no` "quoted"'));
  }
});

test("the key stays in memory", async () => {
  await send();
  const kept = await page.evaluate(async () =>
    JSON.stringify([
      { ...localStorage },
      { ...sessionStorage },
      document.cookie,
      await indexedDB.databases(),
      await caches.keys(),
      document.documentElement.outerHTML,
      location.href,
      history.state,
    ]),
  );
  assert.ok(!kept.includes(KEY));
  assert.deepEqual(await page.context().cookies(), []);
  await page.reload();
  assert.equal(await page.getByLabel("API key").inputValue(), "");
});

test("a list of models that does not come is told of", async () => {
  await page.route("**/v1/models", (route) => route.abort());
  await page.reload();
  await page
    .locator("#models-problem")
    .filter({ hasText: /^the list of models could not be loaded: / })
    .waitFor();
});

test("the keyboard reaches everything", async () => {
  await page.getByLabel("Message", { exact: true }).focus();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "compare");
  await page.keyboard.press("Space");
  assert.equal(await page.getByRole("region", { name: "Second model" }).isVisible(), true);
  const reached = new Set();
  for (let count = 0; count < 20; count += 1) {
    await page.keyboard.press("Tab");
    reached.add(
      await page.evaluate(
        () => document.activeElement.textContent.trim() || document.activeElement.id,
      ),
    );
  }
  for (const name of ["tools-on", "more-on", "Send", "curl"])
    assert.ok(reached.has(name), `${name}: ${[...reached]}`);
});

test("every field has a name, and nothing is wider than a phone", async () => {
  await page.context().close();
  await open({
    viewport: { width: 360, height: 740 },
    isMobile: true,
    hasTouch: true,
    colorScheme: "dark",
  });
  for (const name of [
    "Tools",
    "Structured output",
    "Transcript",
    "Fallbacks",
    "More",
    "Compare two",
  ])
    await turnOn(name);
  await say(`#script text64=${base64("W".repeat(5000))}`);
  await send();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  const nameless = await page.evaluate(
    () =>
      [...document.querySelectorAll("input, select, textarea")].filter(
        (field) =>
          !field.labels?.length && !field.ariaLabel && !field.getAttribute("aria-labelledby"),
      ).length,
  );
  assert.equal(nameless, 0);
});
