/** Tests the console in a browser, with tiny models. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Receipt } from "../../ledger/receipt.ts";
import { browserPath } from "../../util/browser.testing.ts";
import { jsonOf, post, serveModels, type Testing, TINY, tinyWith } from "../serve.testing.ts";

const executablePath = browserPath();
const seen = executablePath ? test : test.skip;
if (!executablePath) console.warn("console in a browser: not tested, since no Chromium is on the PATH");

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "modicum-console-browser-"));
let [server, browser]: [Testing?, Browser?] = [];
beforeAll(async () => {
  if (!executablePath) return;
  const greedy = join(folder, "greedy.gguf");
  const template = "{% for m in messages %}{{ m.content }}{% endfor %}";
  const fields = { "tokenizer.chat_template": ["string", template], "general.sampling.top_k": ["uint32", 1] };
  writeFileSync(greedy, tinyWith(fields as never));
  server = await serveModels([greedy, ...TINY], { console: { lab: undefined } });
  browser = await chromium.launch({ executablePath, args: ["--disable-gpu"] });
});
afterAll(async () => {
  await browser?.close();
  await server?.stop(0);
  rmSync(folder, { recursive: true });
});

async function opened(width = 1280, colorScheme: "light" | "dark" = "light"): Promise<Page> {
  const page = await browser!.newPage({ viewport: { width, height: 900 }, colorScheme });
  page.setDefaultTimeout(200_000);
  await page.goto(server!.url);
  return page;
}

const list = (page: Page, name: string) => page.getByRole("combobox", { name, exact: true });
const texts = (page: Page, selector: string) => page.locator(selector).allTextContents();

async function answer(page: Page, prompt: string): Promise<void> {
  await page.getByRole("textbox", { name: "Prompt" }).fill(prompt);
  await page.getByRole("button", { name: "Answer twice" }).click();
  await page.locator("#keys").waitFor();
}

seen("dense and a saving that pays are chosen, and lists have what fits the model", async () => {
  const page = await opened();
  expect(await list(page, "Model").locator("option").allTextContents()).toEqual(["greedy", "tiny"]);
  expect(await list(page, "First recipe").inputValue()).toBe("dense");
  expect(await list(page, "Second recipe").inputValue()).toBe("lookup");
  const options = list(page, "Second recipe").locator("option");
  const values = await options.evaluateAll((all) => all.map((option) => option.getAttribute("value")));
  expect(values).toEqual(expect.arrayContaining(["dense", "lookup", "own"]));
  // Without options, these do nothing here: two need options, and no prompt of the model is long enough for the third.
  for (const refused of ["exit", "prune", "xattention"]) expect(values).not.toContain(refused);
  await list(page, "Second recipe").selectOption("dense");
  await list(page, "Model").selectOption("tiny");
  expect(await list(page, "Second recipe").inputValue()).toBe("lookup");
  expect(await page.getByRole("textbox", { name: "Your own" }).count()).toBe(0);
});

seen("both answers run from an empty cache, drawn by the model's own settings, and are compared", async () => {
  const page = await opened();
  for (const _ of [1, 2]) await answer(page, "abc abc abc abc");
  const messages = [{ role: "user", content: "abc abc abc abc" }];
  const greedy = { model: "greedy", messages, temperature: 0, max_tokens: 200 };
  const { choices } = await jsonOf(post(server!, "/v1/chat/completions", greedy));
  const { content } = choices[0].message;
  expect(await texts(page, ".answer")).toEqual([content, content]);
  const { data } = await jsonOf(fetch(`${server!.url}/v1/receipts?limit=5`));
  const receipts = (data as Receipt[]).slice(1);
  expect(receipts.map(({ recipe }) => recipe[0] ?? "dense").sort()).toEqual(["dense", "dense", "lookup", "lookup"]);
  expect(receipts.map(({ tokens }) => tokens.cached)).toEqual([0, 0, 0, 0]);
  expect((await texts(page, "#chat li"))[0]).toBe("Both answers have the same text, letter for letter.");
  expect(await texts(page, "#chat figcaption")).toEqual(["Time", "Compute", "Data moved"]);
  for (const unit of [/m?s$/, /FLOP$/, /B$/])
    expect((await texts(page, "#chat .axis span:last-child")).filter((text) => unit.test(text))).toHaveLength(1);
  expect(await page.locator(".waiting:visible").count()).toBe(0);
});

seen("faults are one sentence each: a recipe that there is not, none, and an empty prompt", async () => {
  const page = await opened();
  await list(page, "Second recipe").selectOption("own");
  await page.getByRole("textbox", { name: "Your own" }).fill("lokup");
  await answer(page, "abc");
  expect(await texts(page, ".fault")).toEqual([expect.stringMatching(/^no saving is called "lokup" .*"lookup"\?$/)]);
  expect(await page.getByRole("textbox", { name: "Your own" }).inputValue()).toBe("lokup");
  await page.getByRole("textbox", { name: "Your own" }).fill("");
  await answer(page, "abc");
  expect(await texts(page, ".fault")).toEqual([expect.stringMatching(/^The second recipe is empty; expected savings/)]);
  await answer(page, " ");
  expect(await texts(page, ".fault")).toEqual(["The prompt is empty; expected a question or a text to work on."]);
});

seen("a page that breaks off, as the server stops, says so in the answer's place", async () => {
  const page = await opened();
  await page.route("**/console/chat", async (route) => {
    const headers = { ...route.request().headers(), origin: server!.url };
    const response = await route.fetch({ headers });
    await route.fulfill({ response, body: (await response.text()).split("<article>")[0]! });
  });
  await page.getByRole("button", { name: "Answer twice" }).click();
  await page.locator("#answers").waitFor();
  const waiting = page.locator(".waiting:visible");
  expect(await waiting.allTextContents()).toEqual([
    "Answering with dense … If the page ends here, the server has stopped.",
  ]);
});

seen("by keyboard: from the prompt over both lists to the button", async () => {
  const page = await opened();
  await page.getByRole("textbox", { name: "Prompt" }).focus();
  const names: unknown[] = [];
  for (const _ of [1, 2, 3, 4]) {
    await page.keyboard.press("Tab");
    names.push(await page.evaluate("document.activeElement.name || document.activeElement.textContent"));
  }
  expect(names).toEqual(["model", "recipe-1:greedy", "recipe-2:greedy", "Answer twice"]);
  await page.keyboard.press("Enter");
  await page.locator("#keys").waitFor();
  expect(await page.locator("article").count()).toBe(2);
});

for (const [width, scheme] of [
  [1280, "light"],
  [1280, "dark"],
  [640, "light"],
  [360, "light"],
  [360, "dark"],
] as const)
  seen(
    `at ${width} pixels, ${scheme}: nothing for axe to complain of, no sideways scrolling, no small targets`,
    async () => {
      const page = await opened(width, scheme);
      for (const prompt of [undefined, "abc abc abc"]) {
        if (prompt !== undefined) await answer(page, prompt);
        await page.evaluate(axe);
        const state =
          "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.html)]))";
        expect(await page.evaluate(state)).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
        const targets = await page
          .locator("a:visible, button:visible, select:visible, input:visible, textarea:visible, summary:visible")
          .all();
        const boxes = await Promise.all(targets.map((target) => target.boundingBox()));
        expect(boxes.filter((box) => box!.height < 24 || box!.width < 24)).toEqual([]);
        expect(boxes.length).toBeGreaterThan(8);
      }
    },
  );
