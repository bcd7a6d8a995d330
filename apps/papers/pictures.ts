/**
 * Makes the docs' pictures of the pages from a saved page of daily papers: `npx tsx apps/papers/pictures.ts PAGE [CHROMIUM]`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Mailing } from "./src/mail/mail.ts";
import { openPapers } from "./src/papers.ts";
import { serveOptions, servePapers } from "./web/serve.ts";

const [source, executablePath] = [process.argv[2]!, process.argv[3] ?? "/usr/bin/chromium"];
const TOPICS = [
  "early exit",
  "mixture of experts",
  "vision language models",
  "retrieval",
  "state-space models",
  "pruning",
];
const SAVED = ["JetMoE", "DYNAMAX", "E-LANG"];

const folder = mkdtempSync(join(tmpdir(), "modicum-papers-pictures-"));
const papers = await openPapers({ folder });
await papers.store.topics.setLabels(TOPICS);
await papers.import([source]);
const mailing = new Mailing(papers.store, {});
const options = serveOptions.parse({ port: 0, reranker: "none" });
const serving = await servePapers({ papers, mailing, url: undefined }, options, console.error);
const browser = await chromium.launch({ executablePath, args: ["--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
const page = await context.newPage();
const press = async (action: string, title: string) => {
  const button = page.getByRole("button", { name: new RegExp(`^${action}: ${title}`) });
  await button.click();
  await page
    .locator(`article:has-text("${title}") button[data-action="${action.toLowerCase()}"][aria-pressed=true]`)
    .waitFor();
};
await page.goto(serving.url);
for (const title of SAVED) await press("Save", title);
await page.goto(serving.url);
await page.screenshot({ path: "docs/images/papers-feed.png" });
await page.setViewportSize({ width: 800, height: 560 });
await page.emulateMedia({ colorScheme: "dark" });
await page.goto(`${serving.url}/for-you`);
await page.screenshot({ path: "docs/images/papers-for-you.png" });
await browser.close();
await serving.close();
await papers.close();
rmSync(folder, { recursive: true });
