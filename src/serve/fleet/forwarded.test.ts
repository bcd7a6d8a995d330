import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receiptSchema } from "../../ledger/receipt.ts";
import { limitOptions } from "../limits.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "../serve.testing.ts";
import { remoteFromText } from "./file.ts";
import { bigAt, startVllm, type Vllm } from "./vllm.testing.ts";

let [back, front]: Testing[] = [];
let vllm: Vllm;
beforeAll(async () => {
  [back, vllm] = await Promise.all([serveModels(TINY), startVllm()]);
  const elsewhere = ["labels", "ranker", "sentences"].map((name) => remoteFromText(`${name}=${back!.url}`));
  front = await serveModels(TINY.slice(0, 1), { limits: limitOptions.parse({ maxImages: 3, maxImage: 1_500_000 }) }, [
    ...elsewhere,
    await bigAt(vllm.url),
  ]);
});
afterAll(async () => {
  await front!.stop(0);
  await back!.stop(0);
  vllm.stop();
});

/** One pixel. */
const PNG =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

describe("texts that another Modicum reads", () => {
  const documents = ["An apple a day", "The train is late"];
  test.each([
    ["/v1/classify", { model: "labels", input: ["The food was good.", "b"] }],
    ["/v1/rerank", { model: "ranker", query: "fruit", documents }],
    ["/v2/rerank", { model: "ranker", query: "fruit", documents }],
    ["/v1/embeddings", { model: "sentences", input: ["An apple", "a day"] }],
  ])("%s: the answer is its own, the receipt marked estimated", async (path, body) => {
    const [forwarded, direct] = [await jsonOf(post(front!, path, body)), await jsonOf(post(back!, path, body))];
    const { id: _, receipt, ...answer } = forwarded;
    const { id: __, receipt: own, ...expected } = direct;
    expect(answer).toEqual(expected);
    expect(own.estimated).toBe(false);
    expect(receiptSchema.parse(receipt)).toMatchObject({ flops: own.flops, tokens: own.tokens, estimated: true });
    expect(receipt.id).not.toBe(own.id);
  });

  test("its refusals keep their words", async () => {
    const body = { model: "labels", input: "x", labels: ["odd"] };
    const [forwarded, direct] = [await post(front!, "/v1/classify", body), await post(back!, "/v1/classify", body)];
    expect([forwarded.status, (await jsonOf(forwarded)).error.message]).toEqual([
      400,
      (await jsonOf(direct)).error.message,
    ]);
  });

  test("a server of OpenAI's API has no classes", async () => {
    const refused = await post(front!, "/v1/classify", { model: "big", input: "fine" });
    const { error } = await jsonOf(refused);
    expect([refused.status, error.param, error.message]).toEqual([
      400,
      "model",
      "big runs on servers with OpenAI's API, which has no /v1/classify",
    ]);
  });
});

const [URL_OF_1ST, URL_OF_2ND] = [0, 1].map((i) => `messages.0.content.${i}.image_url.url`) as [string, string];

describe("images in a chat", () => {
  const chat = (model: string, url: string) => ({
    model,
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url, detail: "low" } },
        ],
      },
    ],
    max_tokens: 4,
  });
  const png = (bytes: number) => `data:image/png;base64,${Buffer.alloc(bytes).toString("base64")}`;
  const PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=";

  test("go to another server unchanged, and do not count as text", async () => {
    // An image larger than the maximum prompt, but within the limit for images.
    const large = png(1_500_000);
    for (const url of [PIXEL, large]) {
      vllm.got.length = 0;
      const response = await post(front!, "/v1/chat/completions", chat("big", url));
      expect(response.status).toBe(200);
      expect(vllm.got[0]!.body["messages"]).toEqual(chat("big", url).messages);
    }
  });

  test.each([
    "http://10.0.0.1/x.png",
    "https://example.org/x.png",
    "file:///etc/passwd",
    "data:text/html;base64,AA==",
    "",
  ])("at the address %j are refused: the server fetches no URL", async (url) => {
    vllm.got.length = 0;
    for (const model of ["big", "tiny"]) {
      const response = await post(front!, "/v1/chat/completions", chat(model, url));
      const { error } = await jsonOf(response);
      expect([response.status, error.param]).toEqual([400, "messages.0.content.1.image_url.url"]);
      expect(error.message).toMatch(/: expected an image as data:image\/…;base64,…; the server fetches no URL, got "/);
    }
    expect(vllm.got).toEqual([]);
  });

  test.each<[string, string[], string, RegExp]>([
    ["many", Array(4).fill(PIXEL), "messages", /expected at most 3 images, got 4$/],
    [
      "a large one",
      [PIXEL, png(1_500_001)],
      URL_OF_2ND,
      /expected an image of at most 1500000 bytes, got one of 1500001$/,
    ],
    [
      "SVG",
      ["data:image/svg+xml;base64,PHN2Zy8+"],
      URL_OF_1ST,
      /expected a PNG, JPEG, GIF or WebP image, got image\/svg\+xml$/,
    ],
    ["cut base64", [PIXEL.slice(0, -1)], URL_OF_1ST, /expected an image as complete base64, got truncated base64$/],
    ["no base64", ["data:image/png;base64,!!!!"], URL_OF_1ST, /expected an image as data:image/],
    ["no base64 at all", ["data:image/png,AAAA"], URL_OF_1ST, /expected an image as data:image/],
  ])("beyond the limits are refused: %s", async (_, urls, param, sentence) => {
    vllm.got.length = 0;
    const content = urls.map((url) => ({ type: "image_url", image_url: { url } }));
    const response = await post(front!, "/v1/chat/completions", {
      model: "big",
      messages: [{ role: "user", content }],
    });
    const { error } = await jsonOf(response);
    expect([response.status, error.param, vllm.got]).toEqual([400, param, []]);
    expect(error.message).toMatch(sentence);
  });

  test("are refused by a local model that reads text alone", async () => {
    const response = await post(front!, "/v1/chat/completions", chat("tiny", PNG));
    const { error } = await jsonOf(response);
    expect(response.status).toBe(400);
    expect(error.message).toMatch(/reads only text, but got an image; expected a model that reads images/);
  });
});
