import { existsSync } from "node:fs";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type CatalogueEntry, catalogue } from "../../library/catalogue.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { detailLines, pageOf } from "../savings-text.ts";
import { define } from "./savings.ts";

let printed = "";
beforeEach(() => {
  vi.stubEnv("MODICUM_HOME", tempFolder());
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function savings(...words: string[]): Promise<void> {
  const command = new Command("savings");
  define(command);
  await command.parseAsync(words, { from: "user" });
}

test("--json lists savings and pipelines in one list, with their options' schemas", async () => {
  await savings("--json");
  const all = JSON.parse(printed) as CatalogueEntry[];
  expect(all).toContainEqual(
    expect.objectContaining({ kind: "saving", name: "tri-shape", group: "attention", needs: ["attention"] }),
  );
  expect(all).toContainEqual(expect.objectContaining({ kind: "pipeline", name: "route" }));
  for (const { options } of all) expect(options).toMatchObject({ type: "object" });
});

test("the list has one line per name, by kind, within 80 columns", async () => {
  await savings();
  expect(printed).toMatch(/^Savings:\n( {2}[^\n]+\n)* {2}xattention {2,}block-sparse prefill/m);
  expect(printed).toMatch(/^Pipelines:\n( {2}[^\n]+\n)* {2}vote {2,}/m);
  expect(printed).toMatch(/^Methods:\n( {2}[^\n]+\n)* {2}sparse {2,}/m);
  expect(printed.match(/^ {2}\S/gm)).toHaveLength((await catalogue()).length);
  for (const line of printed.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
});

test("a name prints options, defaults, presets, needs and the page", async () => {
  await savings("xattention");
  expect(printed).toMatch(/^needs +a model with these seams: attention$/m);
  expect(printed).toMatch(/^ {2}threshold=0\.9 \(number\)\n {6}share of/m);
  expect(printed).toMatch(/^ {2}select=antidiagonal \(antidiagonal, \w+/m);
  printed = "";
  await savings("exit");
  expect(printed).toMatch(/^without a preset +no layer/m);
  printed = "";
  await savings("first");
  expect(printed).toMatch(/^kind +pipeline\n(.*\n)*kind +method\n/m);
});

test("every page exists, and every text fits 80 columns", async () => {
  for (const listed of await catalogue()) {
    const lines = detailLines(listed);
    expect(existsSync(pageOf(listed.kind, listed.name)), listed.name).toBe(true);
    for (const line of lines.filter((line) => line.includes(" ", 20)))
      expect(line.length, line).toBeLessThanOrEqual(80);
  }
});

test("--json with a name prints the entries of that name", async () => {
  await savings("first", "--json");
  expect(JSON.parse(printed).map(({ kind }: CatalogueEntry) => kind)).toEqual(["pipeline", "method"]);
});

test("an unknown name gets one sentence with the nearest", async () => {
  await expect(savings("xatention")).rejects.toThrow(
    'no saving, pipeline or method is called "xatention"; did you mean "xattention"?',
  );
  expect(printed).toBe("");
});

test.each([
  [["tri-shape", "--texts", "README.md"], "tri-shape has no calibration"],
  [["xatention"], 'did you mean "xattention"?'],
  [["xattention", "--texts", "README.md", "--stride", "12"], "--stride: expected a divisor of blockSize 128, got 12"],
  [["xattention", "--texts", "README.md", "--coverage", "2"], "--coverage: must be at most 1 (got 2)"],
  [["xattention", "--texts", "none.txt"], "none.txt: there is no such file"],
  [["xattention", "--texts", "README.md", "--out", "none/p.json"], "there is no folder none"],
])("calibrate %j is refused in one sentence", async (words, sentence) => {
  await expect(savings("calibrate", ...words)).rejects.toThrow(sentence);
});
