import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { fromFolder, Tokenizer } from "../../weights/tokenizer/index.ts";
import { trainOptions } from "../options.ts";
import { dryRun } from "../session/dry-run.ts";
import { checkRows, encodeImages } from "./seen-rows.ts";

const machine = vi.hoisted(() => ({ memory: 0 }));
vi.mock("../../weights/prepared/memory.ts", async (original) => ({
  ...(await original<typeof import("../../weights/prepared/memory.ts")>()),
  memoryLimit: () => machine.memory,
  checkMemory: () => undefined,
}));

const fixtures = fileURLToPath(new URL("../../models/fixtures", import.meta.url));
const folder = path.join(fixtures, "gemma3-vision");
const scratch = mkdtempSync(path.join(tmpdir(), "modicum-seen-rows-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const checkpoint = openCheckpoint(folder);
const base = { name: folder, checkpoint, tokenizer: new Tokenizer(fromFolder(folder)), prepared: scratch };
const data = path.join(scratch, "questions.jsonl");
const images = ["wide.png", "turned.jpg"].map((name) => path.join(fixtures, "pictures", name));
writeFileSync(data, images.map((image) => JSON.stringify({ image, prompt: "a", answer: "b" })).join("\n"));

const ROOM = 2 ** 40;
beforeEach(() => {
  machine.memory = ROOM;
});

/** The size in bytes of the embedding rows computed for images. */
async function bytesOfRows(): Promise<number> {
  const { read } = (await encodeImages([data], base, "auto"))!;
  const samples = images.map((image) => read({ image, questions: [{ prompt: "a", answer: "b" }] }));
  const rows = samples.flatMap(({ seen }) => [...seen!.embeddings.values()]);
  return rows.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

test("image rows that take more than half of the memory are refused", async () => {
  const bytes = await bytesOfRows();
  machine.memory = 2 * bytes;
  expect(await bytesOfRows()).toBe(bytes);
  machine.memory = 2 * bytes - 1;
  await expect(bytesOfRows()).rejects.toThrow(/^the data's images take .* train on fewer images$/);
});

test("a dry run refuses them as well, from headers alone", async () => {
  const [image, cut] = ["cut.png", "cut.jsonl"].map((name) => path.join(scratch, name)) as [string, string];
  writeFileSync(image, readFileSync(images[0]!).subarray(0, 100));
  writeFileSync(cut, JSON.stringify({ image, prompt: "a", answer: "b" }));
  const options = trainOptions.parse({ model: folder, data: cut, tokens: 112, batch: 1, validation: 0 });
  await expect(dryRun(options, async () => base)).rejects.toThrow("cut.png");
  machine.memory = 1;
  await expect(dryRun(options, async () => base)).rejects.toThrow("the data's images take");
});

test("the refusal has both figures", () => {
  expect(() => checkRows(2_000_000, 4096, 66e9)).not.toThrow();
  expect(() => checkRows(2_000_000, 4096, 64e9)).toThrow(
    "the data's images take 32.8 GB of memory (2,000,000 rows of 4096 numbers), more than half of this machine's 64.0 GB; train on fewer images",
  );
});
