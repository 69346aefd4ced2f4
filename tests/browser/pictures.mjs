// Takes the picture in docs/playground.md: `just up`, then `just pictures`.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { launch } from "./browser.mjs";

const ROOT = new URL("../../", import.meta.url);
const PORT = 8080 + Number(process.env.PORT_OFFSET ?? 0);
const MESSAGE = `Which city is warmest today?
#script status=503 | status=503 | reasoning=A_city_and_a_number. delay=40 \
text={'city':_'Seville',_'degrees':_'31.5',}`;

const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1300, height: 880 } });
await page.goto(`http://127.0.0.1:${PORT}/playground`);
await page
  .getByLabel("API key")
  .fill(readFileSync(new URL(".build/demo/secrets/demo.key", ROOT), "utf8"));
for (const name of ["Compare two", "Structured output", "Repair JSON", "Fallbacks"]) {
  await page.getByLabel(name, { exact: true }).check();
}
const models = page.locator('[data-part="model"]');
await models.first().selectOption("gpt-4.1");
await models.last().selectOption("claude-sonnet-4-6");
await page.getByLabel("If it fails, ask").selectOption("gemini-3.5-flash");
await page.getByLabel("Message", { exact: true }).fill(MESSAGE);
await page.getByRole("button", { name: "Send", exact: true }).click();
await page.locator(".status .good").nth(1).waitFor();
await page.screenshot({ path: fileURLToPath(new URL("docs/playground.png", ROOT)) });
await browser.close();
