import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { slowEncoder } from "../engine/encoders/image-text/slow-encoder.testing.ts";
import { fixtures, picture } from "../engine/images/pixels/pictures.testing.ts";
import { load } from "../library/load.ts";
import { plainPicture, trainedColours } from "../library/vision.testing.ts";
import { stoppedClock } from "../util/clock.testing.ts";
import { limitOptions } from "./limits.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-serve-vision-"));
const GEMMA = `gemma=${path.join(fixtures, "gemma3-vision")}`;
const LIMITS = { maxImages: 3, maxImagePixels: 10_000, maxPixels: 15_000 };
/** Models that read images as squares of patches. */
const patched = ["qwen2-5-vl", "qwen3-vl", "qwen3-vl-moe"];
let server: Testing;
beforeAll(async () => {
  const colours = `colours=${await trainedColours(folder)}`;
  const patches = patched.map((name) => `${name}=${path.join(fixtures, name)}`);
  server = await serveModels([colours, TINY[0]!, GEMMA, ...patches], { limits: limitOptions.parse(LIMITS) });
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});

afterEach(() => void vi.restoreAllMocks());

const urlOf = (bytes: Uint8Array, kind = "png") => `data:image/${kind};base64,${Buffer.from(bytes).toString("base64")}`;
const image = (url: string) => ({ type: "image_url", image_url: { url } });
const question = { type: "text", text: "which colour is it?" };
const ask = (content: unknown, more: object = {}) =>
  post(server, "/v1/chat/completions", {
    ...{ model: "colours", messages: [{ role: "user", content }], temperature: 0, max_tokens: 4 },
    ...more,
  });

test("a chat's answer depends on its image; usage and receipt count the image's tokens", async () => {
  const answer = await jsonOf(ask([image(urlOf(await plainPicture("red"))), question]));
  expect(answer.choices[0].message.content).toBe(" red");
  expect(answer.receipt.work.imageTokens).toEqual({ dense: 4, run: 4 });
  const blind = await jsonOf(ask(question.text));
  expect(answer.usage.prompt_tokens).toBe(blind.usage.prompt_tokens + 4);
  const other = await jsonOf(ask([question, image(urlOf(await plainPicture("blue")))]));
  expect(other.choices[0].message.content).toBe(" blue");
});

test("an image whose rows see each other is answered over HTTP; a further turn finds it in the cache", async () => {
  const turns = [{ role: "user", content: [image(urlOf(await plainPicture("red"))), question] }];
  const first = await jsonOf(ask([], { model: "gemma", messages: turns }));
  expect(first.receipt.work.imageTokens).toEqual({ dense: 9, run: 9 });
  expect(first.receipt.flops.spent).toBe(first.receipt.flops.dense);
  const further = [...turns, { role: "assistant", content: "red" }, { role: "user", content: "sure?" }];
  const second = await jsonOf(ask([], { model: "gemma", messages: further }));
  expect(second.receipt.tokens.cached).toBeGreaterThan(9 + question.text.length);
});

/** Total seconds that answers have waited so far, from the metrics. */
async function waited(): Promise<string | undefined> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return /^vllm:request_queue_time_seconds_sum\{model_name="colours"\} (.*)$/m.exec(text)?.[1];
}

test("a chat's time is from its arrival to its end: its receipt includes the encoder's, which is not waiting", async () => {
  await ask(question.text);
  const before = await waited();
  slowEncoder(stoppedClock(), 50_000);
  const { receipt } = await jsonOf(ask([image(urlOf(await plainPicture("grey"))), question]));
  expect(receipt.ms).toEqual({ queue: 0, load: 0, encode: 50_000, prefill: 0, decode: 0, total: 50_000 });
  const [latest] = (await jsonOf(fetch(`${server.url}/v1/receipts?limit=1`))).data;
  expect(latest.ms).toEqual(receipt.ms);
  expect(before).toMatch(/^\d/);
  expect(await waited()).toBe(before);
});

test.each(patched)("a chat about two images is answered as in the library: %s", async (name) => {
  const folder = path.join(fixtures, name);
  const { answer } = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));
  const files: string[] = answer.pictures.map(picture);
  using model = await load(folder);
  const chat = [{ role: "user", content: answer.parts }];
  const own = await model.complete(chat, { images: files, temperature: 0, maxTokens: 4 });
  const urls = files.map((file) => urlOf(readFileSync(file), path.extname(file).slice(1)));
  const content = answer.parts.map((part: { type: string }) => (part.type === "image" ? image(urls.shift()!) : part));
  const found = await jsonOf(ask(content, { model: name }));
  expect(found.choices[0].message.content).toBe(own.text);
  expect(found.usage.prompt_tokens).toBe(answer.prompt);
  expect(found.receipt.work.imageTokens).toEqual({ dense: 34, run: 34 });
});

const PIXEL = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
const SVG = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
const refused: readonly [string, () => unknown[] | Promise<unknown[]>, RegExp][] = [
  [
    "an address",
    () => [image("http://example.com/a.png")],
    /expected an image as data:image\/…;base64,…; the server fetches no URL/,
  ],
  [
    "an SVG",
    () => [image(urlOf(SVG, "svg+xml"))],
    /^messages\.0\.content\.0\.image_url\.url: expected a PNG, JPEG, GIF or WebP image, got image\/svg\+xml$/,
  ],
  [
    "an SVG that calls itself a PNG",
    () => [image(urlOf(SVG))],
    /^image 1: this is an SVG, a drawing without pixels; expected one of PNG, JPEG, WebP, GIF$/,
  ],
  [
    "a cut PNG",
    async () => [image(urlOf((await plainPicture("red")).subarray(0, 60)))],
    /image 1: the image cannot be/,
  ],
  ["another file", () => [image(urlOf(Buffer.from("hello!")))], /image 1: this is not an image of a known format/],
  ["too many", () => Array(4).fill(image(`data:image/gif;base64,${PIXEL}`)), /expected at most 3 images, got 4/],
  [
    "an image of too many pixels",
    async () => [image(urlOf(await plainPicture("red", 128)))],
    /^messages: expected images of at most 10000 pixels, got 128 × 128 \(image 1\)$/,
  ],
  [
    "images of too many pixels in all",
    async () => Array(2).fill(image(urlOf(await plainPicture("red", 90)))),
    /^messages: expected images of at most 15000 pixels in all, got 16200$/,
  ],
];
test.each(refused)("%s is refused in one sentence", async (_, parts, sentence) => {
  const response = await ask([...(await parts()), question]);
  expect([response.status, (await jsonOf(response)).error.message]).toEqual([400, expect.stringMatching(sentence)]);
});

test("a GIF of one pixel is an image; a model that reads text alone refuses it", async () => {
  const parts = [image(`data:image/gif;base64,${PIXEL}`), question];
  expect((await ask(parts)).status).toBe(200);
  const response = await ask(parts, { model: "tiny" });
  expect(response.status).toBe(400);
  expect((await jsonOf(response)).error.message).toMatch(
    /reads only text, but got an image; expected a model that reads images/,
  );
});
