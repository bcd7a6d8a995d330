import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp, { type Sharp } from "sharp";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { trainedColours } from "../library/vision.testing.ts";
import { limitOptions } from "./limits.ts";
import { jsonOf, post, serveModels, type Testing } from "./serve.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-vision-load-"));
let server: Testing;
beforeAll(async () => {
  const colours = `colours=${await trainedColours(folder)}`;
  // Only the model's context limit refuses the images.
  server = await serveModels([colours], { limits: limitOptions.parse({ maxImagePixels: 1e8, maxPixels: 1e9 }) });
});
afterAll(async () => {
  await server.stop(0);
  rmSync(folder, { recursive: true });
});
afterEach(() => void vi.restoreAllMocks());

const pictureOf = async (side: number): Promise<string> => {
  const plain = sharp({ create: { width: side, height: side, channels: 3, background: "red" } });
  const bytes = await plain.png({ compressionLevel: 9 }).toBuffer();
  return `data:image/png;base64,${bytes.toString("base64")}`;
};
const ask = (images: readonly string[], text: string): Promise<Response> => {
  const parts = images.map((url) => ({ type: "image_url", image_url: { url } }));
  const content = [...parts, { type: "text", text }];
  return post(server, "/v1/chat/completions", {
    ...{ model: "colours", messages: [{ role: "user", content }], temperature: 0, max_tokens: 1 },
  });
};
const MB = 1e6;

test("four chats of eight images of 99.8 megapixels delay nobody and take little memory until they are refused", async () => {
  const huge = await pictureOf(9990);
  expect((await ask([await pictureOf(16)], "which colour is it?")).status).toBe(200);
  const idle = process.memoryUsage.rss();
  let most = idle;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 5);
  const order: string[] = [];
  const { raw } = sharp.prototype;
  vi.spyOn(sharp.prototype, "raw").mockImplementation(function (this: Sharp, options) {
    order.push("decoding");
    return raw.call(this, options);
  });
  const refusals = Array.from({ length: 4 }, async () => {
    const response = await ask(Array(8).fill(huge), "red ".repeat(64));
    order.push("refusal");
    return [response.status, (await jsonOf(response)).error.code];
  });
  const health = fetch(`${server.url}/health`).then(({ status }) => {
    order.push("health");
    return status;
  });
  expect(await Promise.all(refusals)).toEqual(Array(4).fill([400, "context_length_exceeded"]));
  expect(await health).toBe(200);
  clearInterval(watch);
  expect(order).toEqual(["health", ...Array(4).fill("refusal")]);
  expect((most - idle) / MB).toBeLessThan(500);
});
