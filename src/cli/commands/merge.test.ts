import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { writeRecord } from "../../weights/adapter/record.ts";
import { define } from "./merge.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-merge-cli-"));
process.env["MODICUM_HOME"] = path.join(root, "home");
afterAll(() => rmSync(root, { recursive: true }));

let stdout = "";
beforeEach(() => {
  stdout = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => vi.restoreAllMocks());

const fixture = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const [one, two] = ["one", "two"].map((name) => fixture(`weights/adapter/fixtures/merges/${name}`)) as [string, string];
const base = fixture("models/fixtures/llama-biased/model.gguf");
const classifier = fixture("weights/adapter/fixtures/bert-head");

function run(...words: string[]): Promise<unknown> {
  const command = new Command("merge").exitOverride();
  define(command);
  return command.parseAsync(words, { from: "user" });
}

test("two adapters become one", async () => {
  const folder = path.join(root, "merged");
  await run(folder, "--adapter", one, "--adapter", two, "--weights", "0.7,-0.3");
  expect(stdout).toBe(`${folder}  0.0 MB  adapter_config.json, adapter_model.safetensors\n`);
});

test("adapters go into a model's weights", async () => {
  const folder = path.join(root, "model");
  const ties = ["--combination-type", "ties", "--density", "0.5"];
  await run(folder, "--adapter", one, "--adapter", two, ...ties, "--model", base, "--type", "F16");
  expect(readdirSync(folder)).toContain("model.safetensors");
});

test.each([
  { words: ["--adapter", one, "--weights", "1,2"], says: /--weights: expected one for each of 1 adapters, got 2/ },
  { words: ["--adapter", one, "--weights", "1,"], says: /--weights: expected numbers such as 0.7,0.3, got "1,"/ },
  { words: ["--adapter", one, "--combination-type", "svd"], says: /--combination-type: .*got "svd"/ },
  { words: ["--adapter", one, "--combination-type", "ties"], says: /density is missing/ },
  { words: ["--adapter", one, "--density", "0.5"], says: /density is 0.5, but cat keeps all values/ },
  { words: ["--adapter", one, "--density", "2"], says: /--density/ },
  { words: ["--adapter", one, "--type", "F16"], says: /--type is for the weights of --model/ },
  {
    words: ["--adapter", one, "--adapter", classifier],
    says: /bert-head: .*for "bert", but .*one is for "llama-biased"/,
  },
  {
    words: ["--adapter", classifier],
    says: /bert-head: .*fully trained modules \(classifier, score\).*export MODEL DIR/,
  },
  { words: ["--adapter", root], says: /there is no adapter_config\.json/ },
  { words: [], says: /required option '--adapter/ },
])("$words: one sentence, no folder", async ({ words, says }) => {
  const folder = path.join(root, "refused");
  await expect(run(folder, ...words)).rejects.toThrow(says);
  expect(existsSync(folder)).toBe(false);
});

test("an adapter of plain text is reported to need --raw, once it is part of a model", async () => {
  const plain = path.join(root, "plain");
  cpSync(one, plain, { recursive: true });
  await writeRecord(plain, { prompt: "raw" });
  await run(path.join(root, "plain-alone"), "--adapter", plain);
  expect(process.stderr.write).not.toHaveBeenCalledWith(expect.stringContaining("--raw"));
  await run(path.join(root, "plain-model"), "--adapter", plain, "--model", base);
  expect(process.stderr.write).toHaveBeenCalledWith(expect.stringContaining("run --raw"));
});

test("one adapter with a trained head goes into its model, whose texts have one form", async () => {
  const [own, folder] = [path.join(root, "classifier"), path.join(root, "classifier-model")];
  cpSync(classifier, own, { recursive: true });
  const labels = [..."abcde"];
  await writeRecord(own, { prompt: "raw", labels });
  await run(folder, "--adapter", own, "--model", fixture("models/fixtures/bert"));
  const config = JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8"));
  expect(Object.values(config.id2label)).toEqual(labels);
  expect(process.stderr.write).not.toHaveBeenCalledWith(expect.stringContaining("--raw"));
  await expect(run(path.join(root, "none"), "--adapter", own, "--weights", "2", "--model", base)).rejects.toThrow(
    /fully trained modules/,
  );
});

test("a folder with contents is refused", async () => {
  await expect(run(path.dirname(base), "--adapter", one)).rejects.toThrow(/the folder is not empty/);
});
