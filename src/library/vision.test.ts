import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { slowEncoder } from "../engine/encoders/image-text/slow-encoder.testing.ts";
import { stoppedClock } from "../util/clock.testing.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import { plainPicture, trainedColours } from "./vision.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-vision-"));
let model: Model;
beforeAll(async () => {
  model = await load(await trainedColours(folder));
});
afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true });
});

afterEach(() => void vi.restoreAllMocks());

const QUESTION = "which colour is it?";
const red = path.join(folder, "red.png");
const answered = async (image: string | Uint8Array, prompt: Parameters<Model["complete"]>[0] = QUESTION) =>
  model.complete(prompt, { images: [image], temperature: 0, maxTokens: 4 });

test("a model trained on pictures answers by the picture, its file or its bytes", async () => {
  expect((await answered(red)).text).toBe(" red");
  expect((await answered(await plainPicture("blue"))).text).toBe(" blue");
});

test("an image's tokens and its encoder are in the usage; cached rows cost nothing again", async () => {
  const blind = await model.complete(QUESTION, { temperature: 0, maxTokens: 1 });
  const picture = await plainPicture("grey");
  const [first, again] = [await answered(picture), await answered(picture)];
  expect(first.receipt.tokens.prompt).toBe(blind.receipt.tokens.prompt + 4);
  expect(first.receipt.work?.["imageTokens"]).toEqual({ dense: 4, run: 4 });
  expect(first.receipt.flops.spent).toBe(first.receipt.flops.dense);
  expect(again.receipt.tokens.cached).toBe(first.receipt.tokens.prompt - 1);
  const read = async (image: string | Uint8Array) => {
    const unread = await model.language.vision!.readHeader({ image }, 0);
    return unread.read();
  };
  expect((await read(picture)).spent.flops).toBe(0);
  const another = await read(path.join(import.meta.dirname, "../models/fixtures/pictures/wide.png"));
  expect(another.spent.flops).toBeGreaterThan(0);
  expect(again.receipt.flops.spent).toBeLessThan(first.receipt.flops.spent - another.spent.flops);
});

test("the encoder's time is in the receipt, and the total is the sum", async () => {
  await answered(red);
  model.language.vision!.forget();
  slowEncoder(stoppedClock(), 50_000);
  const { receipt } = await answered(red);
  expect(receipt.ms).toEqual({ queue: 0, load: 0, encode: 50_000, prefill: 0, decode: 0, total: 50_000 });
  const [first, second] = await model.completeAll([
    { prompt: QUESTION, images: [await plainPicture("blue")], maxTokens: 2 },
    { prompt: QUESTION, maxTokens: 2 },
  ]);
  expect(first!.receipt.ms).toMatchObject({ queue: 0, encode: 50_000, total: 50_000 });
  // The second call waits while the first call's picture is encoded.
  expect(second!.receipt.ms).toMatchObject({ queue: 50_000, encode: 0, total: 50_000 });
});

test("two images behind the same words never share a cache", async () => {
  const blue = await plainPicture("blue");
  model.language.engine.forget();
  const [first, other, again] = [await answered(red), await answered(blue), await answered(red)];
  expect([first.text, other.text, again.text]).toEqual([" red", " blue", " red"]);
  const cached = [first, other, again].map(({ receipt }) => receipt.tokens.cached);
  expect(cached).toEqual([0, 0, first.receipt.tokens.prompt - 1]);
});

test("a chat has an image at its part, or at the beginning of its last question", async () => {
  const text = { type: "text", text: QUESTION };
  const placed = await answered(red, [{ role: "user", content: [{ type: "image" }, text] }]);
  const unplaced = await answered(red, [{ role: "user", content: QUESTION }]);
  expect([placed.text, unplaced.text]).toEqual([" red", " red"]);
  expect(unplaced.receipt.tokens).toEqual({ ...placed.receipt.tokens, cached: unplaced.receipt.tokens.cached });
});

const svg = path.join(folder, "drawing.svg");
writeFileSync(svg, '<svg xmlns="http://www.w3.org/2000/svg"/>');
test.each([
  ["an SVG", { images: [svg] }, "this is an SVG, a drawing without pixels"],
  ["a cut file", { images: [Buffer.from("\x89PNG\r\n\x1a\n", "latin1")] }, "image 1: the image cannot be decoded"],
  ["an address", { images: ["http://example.com/a.png"] }, "images are not fetched over a network"],
  ["more than a context", { images: Array(20).fill(red) }, /tokens, 80 of them from images, but .* context is 64,/],
  ["a missing file", { images: ["/none.png"] }, "/none.png: there is no such file"],
  ["scores of the prompt", { images: [red], promptLogprobs: 0 }, "images: expected no promptLogprobs with images"],
])("%s is refused", async (_, options, sentence) => {
  await expect(model.complete(QUESTION, options)).rejects.toThrow(sentence);
});

test("an image count other than the number of places is reported; so is a model that reads text alone", async () => {
  const two = [{ role: "user", content: [{ type: "image" }, { type: "image" }] }];
  await expect(answered(red, two)).rejects.toThrow("the prompt has places for 2 images, but got 1");
  using tiny = await load(fileURLToPath(new URL("../models/fixtures/llama-tiny.gguf", import.meta.url)));
  await expect(tiny.complete("a", { images: [red] })).rejects.toThrow(/reads only text, but got an image; expected/);
});
