import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Listed } from "../../library/catalogue.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
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
  const all = JSON.parse(printed) as Listed[];
  expect(all).toContainEqual(
    expect.objectContaining({ kind: "saving", name: "tri-shape", group: "attention", needs: ["attention"] }),
  );
  expect(all).toContainEqual(expect.objectContaining({ kind: "pipeline", name: "route" }));
  for (const { options } of all) expect(options).toMatchObject({ type: "object" });
});

test("the list for people names each with its options", async () => {
  await savings();
  expect(printed).toMatch(/^xattention \(attention saving\): block-sparse prefill/m);
  expect(printed).toMatch(/^ {2}threshold {2,}number = 0.9 {2,}share of/m);
  expect(printed).toMatch(/^route \(pipeline\): /m);
});

test("a name is refused in one sentence", async () => {
  await expect(savings("vote")).rejects.toThrow(
    'savings lists all savings, pipelines and methods; expected no name, got "vote"',
  );
  expect(printed).toBe("");
});

test.each([
  [["tri-shape", "--texts", "README.md"], "tri-shape learns nothing of a model"],
  [["xatention"], 'did you mean "xattention"?'],
  [["xattention", "--texts", "README.md", "--stride", "12"], "--stride: expected a divisor of blockSize 128, got 12"],
  [["xattention", "--texts", "README.md", "--coverage", "2"], "--coverage: must be at most 1 (got 2)"],
  [["xattention", "--texts", "none.txt"], "none.txt: the file cannot be read"],
  [["xattention", "--texts", "README.md", "--out", "none/p.json"], "there is no folder none"],
])("calibrate %j is refused in one sentence", async (words, sentence) => {
  await expect(savings("calibrate", ...words)).rejects.toThrow(sentence);
});
