import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { browserPath } from "../../../src/util/browser.testing.ts";
import { Mailing } from "../src/mail/mail.ts";
import { readable } from "../src/mail/smtp.testing.ts";
import { paperInputSchema } from "../src/paper.ts";
import { openPapers } from "../src/papers.ts";
import { type Serving, serveOptions, servePapers } from "./serve.ts";
import { KeptPost } from "./site.testing.ts";

const executablePath = browserPath();
const seen = executablePath ? test : test.skip;
if (!executablePath) console.warn("papers in a browser: not tested, since no Chromium is on the PATH");

const lines = [
  {
    title: "Sparse attention by antidiagonals",
    abstract: "Blocks of attention are scored and skipped.",
    listed: "2025-12-10",
  },
  { title: "Leaving layers early", abstract: "Exits at layers spare the rest of a model.", listed: "2025-12-10" },
  { title: "Older work", abstract: "Word lists of long ago.", listed: "2025-12-02" },
];

const folder = mkdtempSync(join(tmpdir(), "modicum-papers-browser-"));
const faults: string[] = [];
const post = new KeptPost();
/** The address in links of mail, which needs https; the test's server has none. */
const MAILED = "https://papers.example";
let [serving, browser, papers, mailing]: [Serving?, Browser?, Awaited<ReturnType<typeof openPapers>>?, Mailing?] = [];
beforeAll(async () => {
  if (!executablePath) return;
  const file = join(folder, "papers.jsonl");
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  papers = await openPapers({ folder, embedding: "none" });
  await papers.import([file]);
  const options = serveOptions.parse({ port: 0, reranker: "none" });
  const settings = { url: MAILED, smtp: "smtp://localhost", from: "papers@papers.example" };
  mailing = new Mailing(papers.store, settings, undefined, post);
  serving = await servePapers({ papers, mailing, url: undefined }, options, ({ message }) => faults.push(message));
  browser = await chromium.launch({ executablePath, args: ["--disable-gpu"] });
});
afterAll(async () => {
  await browser?.close();
  await serving?.close();
  await papers?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function visitor(options: Parameters<Browser["newContext"]>[0]): Promise<Page> {
  const page = await (await browser!.newContext(options)).newPage();
  page.on("console", (message) => faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  return page;
}

const titles = (page: Page): Promise<string[]> => page.locator("article h2").allTextContents();

seen(
  "a reader imports, reads by keyboard, searches as one types, saves and tags; the policy stops nothing",
  async () => {
    const page = await visitor({ viewport: { width: 1280, height: 800 } });
    await page.goto(serving!.url);
    expect(await titles(page)).toHaveLength(2);
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    const [first] = await titles(page);
    expect(await page.evaluate("document.activeElement.textContent")).toBe(first);
    await page.keyboard.press("/");
    await page.keyboard.type("work of old");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/search?q=work+of+old");
    await page.locator("#q").fill("leaving layers early");
    await page.locator("#results", { hasText: "“leaving layers early”" }).waitFor();
    expect((await titles(page))[0]).toBe("Leaving layers early");
    const save = page.getByRole("button", { name: "Save: Leaving layers early" });
    await save.click();
    await page.locator("button[aria-pressed=true]").waitFor();
    expect(await save.textContent()).toBe("Saved");
    await page.getByRole("link", { name: "Leaving layers early" }).click();
    await page.getByLabel("New tag").fill("To read");
    await page.getByRole("button", { name: "Add tag" }).click();
    await page.getByRole("button", { name: "Remove the tag to read" }).waitFor();
    await page.goto(`${serving!.url}/?period=all&tags=not "to read"`);
    expect(await titles(page)).toEqual(["Sparse attention by antidiagonals", "Older work"]);
    expect(faults).toEqual([]);
  },
);

seen("a reader subscribes, confirms by the mailed link, gets a digest, and ends it by the digest's link", async () => {
  const page = await visitor({ viewport: { width: 1280, height: 800 } });
  const follow = async (link: RegExp) =>
    page.goto(serving!.url + link.exec(readable(post.mails.at(-1)!.raw))![0].slice(MAILED.length));
  await page.goto(`${serving!.url}/subscribe`);
  await page.getByLabel("Mail address").fill("ada@example.org");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByRole("heading", { name: "Check your mailbox" }).waitFor();
  expect(await mailing!.round()).toMatchObject({ sent: 1 });
  await follow(/https:\/\/papers\.example\/subscribe\/confirm\?token=[\w-]+/);
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("heading", { name: "You are subscribed" }).waitFor();
  expect(await mailing!.round()).toMatchObject({ sent: 1 });
  expect(post.mails.map(({ to }) => to)).toEqual(["ada@example.org", "ada@example.org"]);
  const digest = readable(post.mails.at(-1)!.raw);
  for (const words of ["Leaving layers early", "Sparse attention", "Receipt"]) expect(digest).toContain(words);
  await follow(/https:\/\/papers\.example\/unsubscribe\?token=[\w-]+/);
  await page.getByRole("button", { name: "Unsubscribe" }).click();
  await page.getByRole("heading", { name: "You are unsubscribed" }).waitFor();
  expect(await papers!.store.subscriptions.active()).toEqual([]);
  expect(faults).toEqual([]);
});

seen("a reader signs in by a mailed link, and deletes the account", async () => {
  const page = await visitor({ viewport: { width: 360, height: 740 } });
  await page.goto(`${serving!.url}/account`);
  await page.getByLabel("Mail address").fill("grace@example.org");
  await page.getByRole("button", { name: "Mail me a link" }).click();
  await page.getByRole("heading", { name: "Check your mailbox" }).waitFor();
  await mailing!.round();
  const [link] = /\/account\/enter\?token=[\w-]+/.exec(readable(post.mails.at(-1)!.raw))!;
  await page.goto(serving!.url + link);
  await page.getByRole("button", { name: "Sign in as grace@example.org" }).click();
  await page.getByRole("link", { name: "Delete this account" }).click();
  await page.getByRole("button", { name: "Delete the account of grace@example.org" }).click();
  await page.getByRole("heading", { name: "Your account has been deleted" }).waitFor();
  await page.goto(`${serving!.url}/account`);
  await page.getByRole("button", { name: "Mail me a link" }).waitFor();
  expect(faults).toEqual([]);
});

seen("without scripts, on a phone: forms save, nothing scrolls sideways", async () => {
  const page = await visitor({ viewport: { width: 320, height: 700 }, javaScriptEnabled: false, colorScheme: "dark" });
  await page.goto(serving!.url);
  await page.getByRole("button", { name: "Save: Leaving layers early" }).click();
  await page.getByRole("link", { name: "Saved" }).click();
  expect(await titles(page)).toEqual(["Leaving layers early"]);
  for (const path of [
    "/",
    "/papers/leaving-layers-early",
    "/search?q=layers",
    "/?period=all&tags=x",
    "/receipts",
    "/subscribe",
  ]) {
    await page.goto(serving!.url + path);
    const wide = await page.locator("body").evaluate((body) => body.ownerDocument.documentElement.scrollWidth);
    expect([path, wide]).toEqual([path, 320]);
  }
  expect(faults).toEqual([]);
});

seen("five papers fit a screen", async () => {
  const abstract = "Blocks of attention are scored and skipped where their share of the answer is small. ".repeat(6);
  const papersOfADay = ["One", "Two", "Three", "Four", "Five", "Six"].map((number) =>
    paperInputSchema.parse({ title: `${number} way to spend less on attention`, abstract, listed: "2025-12-11" }),
  );
  await papers!.add(papersOfADay);
  const page = await visitor({ viewport: { width: 1280, height: 800 } });
  await page.goto(serving!.url);
  const bottoms = await page
    .locator("article")
    .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().bottom));
  expect(bottoms).toHaveLength(6);
  expect(bottoms[4]).toBeLessThanOrEqual(800);
  expect(faults).toEqual([]);
});
