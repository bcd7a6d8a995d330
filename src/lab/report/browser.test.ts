import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { browserPath } from "../../util/browser.testing.ts";
import { writeReport } from "./index.ts";
import { sampleReport } from "./sample.testing.ts";

const executablePath = browserPath();
const seen = executablePath ? test : test.skip;
if (!executablePath)
  console.warn("report in a browser: not tested, since no Chromium is on the PATH (apt-get install chromium)");

const folder = mkdtempSync(join(tmpdir(), "modicum-browser-"));
let browser: Browser | undefined;
beforeAll(async () => {
  if (!executablePath) return;
  browser = await chromium.launch({ executablePath, args: ["--disable-gpu"] });
  await writeReport(folder, sampleReport());
  writeFileSync(join(folder, "plot.html"), `<!doctype html><title>plot</title><img src="frontier.svg" alt="">`);
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens a file in the run's folder; returns the page's requests and errors. */
async function opened(file: string, width: number, colorScheme: "light" | "dark") {
  const page = await browser!.newPage({ viewport: { width, height: 900 }, colorScheme });
  const [requests, complaints]: [string[], string[]] = [[], []];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(pathToFileURL(join(folder, file)).href);
  return { page, requests, complaints };
}

/** Pairs of visible texts in the page's plots whose boxes overlap, and clipped texts. */
const overlaps = (page: Page): Promise<string[]> =>
  // Runs in the page, without the project's types.
  page.evaluate(`(() => {
    const found = [];
    for (const svg of document.querySelectorAll("figure svg, body > svg")) {
      const frame = svg.getBoundingClientRect();
      const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim() !== "");
      const boxes = texts.map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() })).filter(({ box }) => box.width > 0);
      for (const [i, a] of boxes.entries()) {
        if (a.box.left < frame.left - 1 || a.box.right > frame.right + 1) found.push(a.text + " is cut off");
        for (const b of boxes.slice(i + 1))
          if (a.box.left + 1 < b.box.right && b.box.left + 1 < a.box.right && a.box.top + 1 < b.box.bottom && b.box.top + 1 < a.box.bottom)
            found.push(a.text + " over " + b.text);
      }
      if (frame.width > 0 && boxes.length < 13) found.push("too few texts: " + boxes.length);
    }
    return found;
  })()`) as Promise<string[]>;

for (const [width, scheme] of [
  [1100, "light"],
  [375, "dark"],
] as const)
  seen(
    `the page at ${width} pixels, ${scheme}: one request, no complaint, no overlap, no sideways scrolling`,
    async () => {
      const { page, requests, complaints } = await opened("report.html", width, scheme);
      expect(requests).toHaveLength(1);
      expect(complaints).toEqual([]);
      expect(await overlaps(page)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
      expect(ground).toBe(scheme === "light" ? "rgb(255, 255, 255)" : "rgb(22, 24, 28)");
      await page.close();
    },
  );

seen("the plot's file is an image, and its texts do not overlap", async () => {
  const { page, requests, complaints } = await opened("plot.html", 800, "light");
  expect(await page.evaluate("document.querySelector('img').naturalWidth")).toBe(760);
  expect(requests).toHaveLength(2);
  const svg = await browser!.newPage();
  await svg.setContent(readFileSync(join(folder, "frontier.svg"), "utf8"));
  expect(await overlaps(svg)).toEqual([]);
  expect(complaints).toEqual([]);
});
