// The form, the two panes, and the keyboard shortcuts.

const first = new Pane("Model", ask);
const second = new Pane("Second model", ask);
let models = [];

/** Returns the visible panes. */
function panes() {
  return byId("compare").checked ? [first, second] : [first];
}

function values() {
  const text = (id) => byId(id).value;
  const on = (id) => byId(id).checked;
  return {
    system: text("system"),
    message: text("message"),
    stream: on("stream"),
    repair: on("repair"),
    toolsOn: on("tools-on"),
    tools: text("tools"),
    toolChoice: text("tool-choice"),
    schemaOn: on("schema-on"),
    schema: text("schema"),
    transcriptOn: on("transcript-on"),
    transcript: text("transcript"),
    fallbacksOn: on("fallbacks-on"),
    fallbacks: [text("fallback-1"), text("fallback-2")],
    retry: on("retry"),
    moreOn: on("more-on"),
    temperature: text("temperature"),
    maxTokens: text("max-tokens"),
    other: text("other"),
  };
}

/** Returns the form's request. Shows an invalid field and returns null. */
function request() {
  byId("form-problem").hidden = true;
  document
    .querySelectorAll("[aria-invalid]")
    .forEach((field) => field.removeAttribute("aria-invalid"));
  try {
    return chatRequest(values());
  } catch (error) {
    byId("form-problem").textContent = error.message;
    byId("form-problem").hidden = false;
    byId(error.field).ariaInvalid = "true";
    byId(error.field).focus();
    return null;
  }
}

function send() {
  const body = request();
  if (!body) return;
  panes().forEach((pane) => ask(pane, { model: pane.model, ...body }));
  byId("panes").scrollIntoView({ block: "nearest" });
}

async function ask(pane, body) {
  const sent = pane.send(body, byId("key").value.trim());
  byId("stop").disabled = false;
  await sent;
  byId("stop").disabled = !panes().some((one) => one.running);
}

function stop() {
  [first, second].forEach((pane) => pane.stop());
}

function showCurl(pane) {
  const body = request();
  if (!body) return;
  byId("command").value = curl(CHAT, { model: pane.model, ...body });
  byId("copied").textContent = "";
  byId("curl").showModal();
}

async function copy() {
  byId("command").select();
  try {
    await navigator.clipboard.writeText(byId("command").value);
    byId("copied").textContent = "Copied.";
  } catch {
    // Browsers allow the clipboard only for pages with TLS or on localhost.
    byId("copied").textContent = "Selected: copy it with the keyboard.";
  }
}

async function loadModels() {
  const problem = byId("models-problem");
  try {
    const response = await fetch(new URL("v1/models", document.baseURI), { credentials: "omit" });
    models = list(object(await response.json()).data).map(object);
    models = models.filter((model) => model.kind !== "embeddings");
    problem.hidden = models.length > 0;
    problem.textContent = "the gateway lists no models";
  } catch (error) {
    problem.hidden = false;
    problem.textContent = `the list of models could not be loaded: ${error.message}`;
  }
  for (const select of [first.part.model, second.part.model]) select.replaceChildren(...options());
  for (const at of [1, 2]) {
    byId(`fallback-${at}`).replaceChildren(
      element("option", { value: "" }, "none"),
      ...options(),
    );
  }
  second.part.model.selectedIndex = Math.min(1, models.length - 1);
  describe();
}

/** Returns the options of a model selector, grouped by provider. */
function options() {
  const groups = Map.groupBy(models, (model) => string(model.owned_by));
  return [...groups].map(([owner, own]) =>
    element(
      "optgroup",
      { label: owner },
      ...own.map((model) => element("option", {}, string(model.id))),
    ),
  );
}

/** Shows the facts of each selected model, and the parameters that it does not support. */
function describe() {
  let body = {};
  try {
    body = chatRequest(values());
  } catch {
    // Incomplete JSON: `request` reports the mistake when the form is sent.
  }
  for (const pane of [first, second]) {
    const model = models.find((one) => one.id === pane.model) ?? {};
    const count = (number) => Number(number).toLocaleString("en");
    const facts = [
      `context ${count(model.context_length)}`,
      `out ${count(model.max_output_tokens)}`,
      list(model.input_modalities).join(", "),
      list(model.available_regions).join(", "),
    ];
    const missing = foreign(body, model);
    const warning = element(
      "b",
      {},
      missing.length > 0 ? ` · does not take ${missing.join(", ")}` : "",
    );
    pane.part.about.replaceChildren(model.id ? facts.join(" · ") : "", warning);
  }
}

function show() {
  document.querySelectorAll("[data-opens]").forEach((box) => {
    byId(box.dataset.opens).hidden = !box.checked;
  });
  second.root.hidden = !byId("compare").checked;
  byId("panes").classList.toggle("two", byId("compare").checked);
  describe();
}

function keyboard(event) {
  if (event.key === "Escape" && !byId("curl").open) stop();
  if (
    event.key === "Enter" &&
    (event.ctrlKey || event.metaKey) &&
    !event.repeat &&
    !byId("curl").open
  ) {
    event.preventDefault();
    send();
  }
}

byId("panes").append(first.root, second.root);
for (const pane of [first, second]) {
  pane.part.model.addEventListener("change", describe);
  pane.part.curl.addEventListener("click", () => showCurl(pane));
}
byId("request").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
byId("request").addEventListener("input", show);
byId("stop").addEventListener("click", stop);
byId("copy").addEventListener("click", copy);
document.addEventListener("keydown", keyboard);
show();
loadModels();
