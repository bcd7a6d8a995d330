import { Buffer } from "node:buffer";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, post, serveModels, type Testing, TINY } from "./serve.testing.ts";

let server: Testing;
let picture: string;
beforeAll(async () => {
  server = await serveModels(["clip-tiny", TINY[0]!]);
  const noise = Uint8Array.from({ length: 3 * 60 * 40 }, (_, i) => (i * 7919) % 251);
  const png = await sharp(noise, { raw: { width: 60, height: 40, channels: 3 } })
    .png()
    .toBuffer();
  picture = `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
});
afterAll(() => server.stop(0));

const boxes = [
  [0, 0, 30, 40],
  [30, 0, 60, 20],
];
const labels = ["cat", "red car"];
const ask = (more: object = {}) =>
  post(server, "/v1/recognize", { model: "clip-tiny", image: picture, boxes, labels, ...more });

test("regions of a picture in the request, with a receipt", async () => {
  const answer = await jsonOf(ask());
  expect(answer).toMatchObject({ object: "list", width: 60, height: 40, model: "clip-tiny" });
  expect(answer.data.map(({ index, box }: { index: number; box: number[] }) => [index, box])).toEqual([
    ...boxes.entries(),
  ]);
  for (const { label, score, scores } of answer.data) {
    expect(Object.keys(scores)).toEqual(labels);
    expect(scores[label]).toBe(score);
  }
  expect(answer.receipt.work.calls).toEqual({ "clip-tiny": { dense: 2, run: 1 } });
  expect(answer.usage.prompt_tokens).toBe(answer.receipt.tokens.prompt);
});

test.each([
  [
    "a box outside",
    { boxes: [[0, 0, 61, 9]] },
    "box 1 is [0, 0, 61, 9], which is not inside the picture of 60 × 40 pixels",
  ],
  [
    "an address",
    { image: "https://a.b/c.png" },
    "image: expected an image as data:image/…;base64,…; the server fetches no URL",
  ],
  ["no picture", { image: "data:image/png;base64,AAAA" }, "image 1: this is not an image of a known format"],
  [
    "an SVG",
    { image: `data:image/svg+xml;base64,${Buffer.from("<svg/>").toString("base64")}` },
    "image 1: this is an SVG, a drawing without pixels; expected one of PNG",
  ],
  ["a label twice", { labels: ["cat", "cat"] }, 'the label "cat" is given twice, expected different labels'],
  [
    "a model of texts",
    { model: "tiny" },
    "tiny does not compare images with texts; expected a CLIP, such as clip-tiny",
  ],
])("%s is refused", async (_, more, sentence) => {
  const response = await ask(more);
  expect(response.status).toBe(400);
  expect((await jsonOf(response)).error.message).toContain(sentence);
});
