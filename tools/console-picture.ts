/**
 * Makes the screenshot of the console for the docs: `npx tsx tools/console-picture.ts [MODEL]`. The example prompt is
 * answered twice under each recipe; the picture shows the second time, when everything is compiled.
 */
import { chromium } from "playwright-core";
import pkg from "../package.json" with { type: "json" };
import { serveModels } from "../src/serve/serve.testing.ts";
import { browserPath } from "../src/util/browser.testing.ts";

const executablePath = browserPath();
if (!executablePath) throw new Error("expected a Chromium on the PATH");
const [model = "qwen2.5-coder"] = process.argv.slice(2);
const server = await serveModels([model], { console: { lab: undefined }, version: pkg.version });
const browser = await chromium.launch({ executablePath, args: ["--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 1000, height: 900 }, colorScheme: "light" });
page.setDefaultTimeout(300_000);
await page.goto(server.url);
for (const _ of ["to compile", "for the picture"]) {
  await page.getByRole("button", { name: "Answer twice" }).click();
  await page.locator("#keys").waitFor();
}
const { height } = (await page.locator("#chat").boundingBox())!;
await page.setViewportSize({ width: 1000, height: Math.ceil(height) + 100 });
await page.evaluate("scrollTo(0, 0)");
await page.screenshot({ path: "docs/images/console.png" });
console.log((await page.locator("#chat li").allTextContents()).join("\n"));
await browser.close();
await server.stop(0);
