// Headless Chromium, as `.ci/setup browser` fetched it.

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const BUILD = new URL("../../.build/", import.meta.url);
const { chromium } = createRequire(new URL("browser/", BUILD))("playwright-core");

/** Starts it. Whoever does closes it. */
export function launch() {
  return chromium.launch({ executablePath: fileURLToPath(new URL("bin/chromium", BUILD)) });
}
