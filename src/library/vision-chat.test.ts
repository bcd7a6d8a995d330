import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixtures, picture, unpack } from "../engine/images/pixels/pictures.testing.ts";
import { tempFolder } from "../weights/sources/helpers.testing.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import { calibrateSaving, saveCalibration } from "./profile.ts";

/** Answers by transformers, token by token and without a cache: tools/reference/vision_language.py. */
interface Answer {
  readonly pictures: readonly string[];
  readonly parts: readonly { readonly type: string; readonly text?: string }[];
  /** The number of prompt tokens. */
  readonly prompt: number;
  readonly tokens: readonly number[];
}

/** Models whose tokens have positions on three axes. */
const onAxes = ["qwen2-5-vl", "qwen2-vl", "qwen3-vl", "qwen3-vl-moe"];

describe.each(["gemma3-vision", "idefics3", "internvl", "llava-next", ...onAxes])("%s", (name) => {
  const folder = path.join(fixtures, name);
  const { answer }: { answer: Answer } = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));
  const images = answer.pictures.map(picture);
  const chat = [{ role: "user", content: [...answer.parts] }];

  test("a chat with two images is answered as by transformers; its images are cached by their content", async () => {
    using model = await load(folder, { quant: "f32" });
    const ask = (some: string[]) =>
      model.complete(chat, { images: some, temperature: 0, maxTokens: answer.tokens.length });
    const first = await ask(images);
    expect(first.receipt.tokens.prompt).toBe(answer.prompt);
    expect(first.tokens.map(({ id }) => id)).toEqual(answer.tokens);
    const turned = await ask(images.toReversed());
    expect(turned.tokens.map(({ id }) => id)).not.toEqual(answer.tokens);
    expect(turned.receipt.tokens.cached).toBeLessThan(10);
    const again = await ask(images);
    expect(again.receipt.tokens.cached).toBeGreaterThan(10);
    expect(again.tokens.map(({ id }) => id)).toEqual(answer.tokens);
    expect(again.receipt.flops.spent).toBeLessThan(first.receipt.flops.spent / 2);
  });
});

test.each(["gemma3-vision", "internvl"])("%s: unequal rows of a batch get the same answers as alone", async (name) => {
  using model = await load(path.join(fixtures, name), { quant: "f32" });
  const of =
    (text: string, ...files: string[]) =>
    async () =>
      model.complete(text, { images: files.map(picture), temperature: 0, maxTokens: 6 });
  const asks = [of("what?", "wide.png"), of("is it?", "clear.webp", "still.gif"), of("no image")];
  const alone: number[][] = [];
  for (const ask of asks) alone.push((await ask()).tokens.map(({ id }) => id));
  const together = await Promise.all(asks.map((ask) => ask()));
  expect(together.map(({ tokens }) => tokens.map(({ id }) => id))).toEqual(alone);
});

test("a Gemma 3 without its image processor reads text alone, with the same numbers", async () => {
  const [whole, alone] = [path.join(fixtures, "gemma3-vision"), path.join(tempFolder(), "alone")];
  cpSync(whole, alone, { recursive: true });
  rmSync(path.join(alone, "preprocessor_config.json"));
  const notices: string[] = [];
  const onNotice = (sentence: string) => notices.push(sentence);
  const answerOf = async (folder: string) => {
    using model = await load(folder, { quant: "f32", onNotice });
    const chat = [{ role: "user", content: [{ type: "text", text: "say it" }] }];
    const { tokens } = await model.complete(chat, { temperature: 0, maxTokens: 6, logprobs: 3 });
    return tokens.map(({ id, top }) => [id, top]);
  };
  expect(await answerOf(alone)).toEqual(await answerOf(whole));
  expect(notices).toEqual([expect.stringContaining("image input is not supported for this model; it reads only text")]);
  using blind = await load(alone, { quant: "f32" });
  await expect(blind.complete("what?", { raw: true, images: [picture("wide.png")] })).rejects.toThrow(
    "reads only text",
  );
});

/** Gemma 3's fixture with changes to its files. */
function changedGemma(changes: Readonly<Record<string, (json: Record<string, object>) => object>>): string {
  const folder = path.join(tempFolder(), "changed");
  cpSync(path.join(fixtures, "gemma3-vision"), folder, { recursive: true });
  for (const [file, change] of Object.entries(changes)) {
    const at = path.join(folder, file);
    const json = JSON.parse(readFileSync(at, "utf8"));
    writeFileSync(at, JSON.stringify({ ...json, ...change(json) }));
  }
  return folder;
}

test.each([
  ["do_pan_and_scan", { do_pan_and_scan: true }, {}, "expected false: additional crops of the image are not supported"],
  ["rows", {}, { image_size: 68 }, "an image has 289 rows, expected at most 256"],
])("a Gemma 3 is refused by %s", async (_, processor, vision, sentence) => {
  const rows = Object.keys(vision).length > 0 && { mm_tokens_per_image: 289 };
  const folder = changedGemma({
    "preprocessor_config.json": () => processor,
    "config.json": ({ vision_config: own }) => ({ ...rows, vision_config: { ...own, ...vision } }),
  });
  await expect(load(folder, { quant: "f32" })).rejects.toThrow(sentence);
});

test("savings of visual tokens act on all of an InternVL's tiles, and are refused for whole images", async () => {
  const ask = (model: Model, save: string[]) =>
    model.complete("what?", { raw: true, images: [picture("wide.png")], maxTokens: 1, save });
  using intern = await load(path.join(fixtures, "internvl"), { quant: "f32" });
  const dense = (await ask(intern, [])).receipt;
  expect(dense.work!["imageTokens"]).toEqual({ dense: 27, run: 27 });
  // Each tile keeps 4 of its 3 × 3 rows.
  const { receipt } = await ask(intern, ["feather:after=1,mode=uniform,stride=2"]);
  expect(receipt.work!["tokens"]).toEqual({ dense: dense.tokens.prompt, run: dense.tokens.prompt - 3 * 5 });
  expect((await ask(intern, ["yopo:layers=1"])).receipt.work!["tokens"]!.run).toBe(dense.tokens.prompt - 27);
  using gemma = await load(path.join(fixtures, "gemma3-vision"), { quant: "f32" });
  await expect(ask(gemma, ["feather:after=1"])).rejects.toThrow("a sliding window");
});

test("savings of steps and of prompts' weights act beside whole images", async () => {
  const longer = { max_position_embeddings: 1024 };
  const folder = changedGemma({ "config.json": ({ text_config: own }) => ({ text_config: { ...own, ...longer } }) });
  using model = await load(folder, { quant: "f32" });
  const ask = (text: string, save: string[]) =>
    model.complete(text, { raw: true, images: [picture("wide.png")], temperature: 0, maxTokens: 8, save });
  const idsOf = async (save: string[]) => (await ask("what?", save)).tokens.map(({ id }) => id);
  const dense = await idsOf([]);
  expect(await idsOf(["lookup"])).toEqual(dense);
  expect(await idsOf(["exit:layer=4,fill=verify"])).toEqual(dense);
  const { receipt } = await ask("why?", ["exit:layer=4,mode=random,rate=0.5,fill=recompute"]);
  const layers = receipt.work!["layers"] as { dense: number; run: number };
  expect(layers.run).toBeLessThan(layers.dense);
  // Only prompt chunks without an image run with 8-bit inputs.
  const long = (await ask("why not? ".repeat(60), ["int8-prefill"])).receipt;
  expect(long.work!["int8Tokens"]!.run).toBeGreaterThan(0);
  expect(long.work!["int8Tokens"]!.run).toBeLessThan(long.tokens.prompt);
});

describe.each(onAxes)("%s: positions with three axes", (name) => {
  const folder = path.join(fixtures, name);
  const reference = JSON.parse(readFileSync(path.join(folder, "placed-images.json"), "utf8"));
  const ids: number[] = reference.ids.filter(
    (id: number, i: number, all: number[]) => id !== 318 || all[i - 1] !== 318,
  );
  const images = reference.seen.map(picture);
  const prompt: number = reference.ids.length;
  const visual = reference.ids.filter((id: number) => id === 318).length;
  let model: Model;
  beforeAll(async () => {
    model = await load(folder, { quant: "f32" });
  });
  afterAll(() => model.dispose());
  const ask = (save: string[]) => model.complete(ids, { images, save, maxTokens: 1, temperature: 0, logprobs: 20 });
  const topOf = async (save: string[]) => (await ask(save)).tokens[0]!.top!.map(({ id, logprob }) => [id, logprob]);

  test("feather drops the tokens that transformers masks in the second layer", async () => {
    const { tokens, receipt } = await ask([`feather:after=1,mode=uniform,stride=${reference.pruned.stride}`]);
    expect(receipt.work!["tokens"]).toEqual({ dense: prompt, run: prompt - reference.pruned.dropped });
    const logits = unpack(reference.pruned.logits);
    const sum = Math.log(logits.reduce((all, z) => all + Math.exp(z), 0));
    for (const { id, logprob } of tokens[0]!.top!) expect(logprob).toBeCloseTo(logits[id]! - sum, 4);
    expect(unpack(reference.logits).slice(-logits.length)).not.toEqual(logits);
  });

  test("all tokens kept is dense; scores with and without the rotary embedding keep as many", async () => {
    const dense = await topOf([]);
    for (const [i, [id, logprob]] of (await topOf(["feather:after=1,mode=uniform,stride=1"])).entries()) {
      expect(id).toBe(dense[i]![0]);
      expect(logprob).toBeCloseTo(dense[i]![1]!, 5);
    }
    const dropped = visual - Math.floor(0.4 * visual);
    for (const mode of ["feather", "fastv"]) {
      const { receipt } = await ask([`feather:after=1,ratio=0.6,stride=0,mode=${mode}`]);
      expect(receipt.work!["tokens"]).toEqual({ dense: prompt, run: prompt - dropped });
      expect(receipt.flops.overhead).toBeGreaterThan(0);
    }
    expect((await ask(["yopo:layers=1"])).receipt.work!["tokens"]).toEqual({ dense: prompt, run: prompt - visual });
  });

  test("yopo's neighbours are those that transformers keeps", async () => {
    const { tokens } = await ask([`yopo:radius=${reference.near.radius},causal=true`]);
    const logits = unpack(reference.near.logits);
    const sum = Math.log(logits.reduce((all, z) => all + Math.exp(z), 0));
    for (const { id, logprob } of tokens[0]!.top!) expect(logprob).toBeCloseTo(logits[id]! - sum, 4);
  });

  test("others are refused", async () => {
    await expect(ask(["tri-shape"])).rejects.toThrow('has positions on three axes, so "tri-shape" cannot act');
    await expect(calibrateSaving(model, "xattention", ["abc"])).rejects.toThrow("it has positions on three axes");
  });

  test("a dense answer about images spends what dense costs; a second turn finds their rows in the cache", async () => {
    const chat = [{ role: "user", content: [{ type: "image" }, { type: "text", text: "what?" }] }];
    const some = { images: [images[0]], maxTokens: 2, temperature: 0 };
    const first = await model.complete(chat, { ...some, cachePrompt: false });
    expect(first.receipt.flops.spent).toBe(first.receipt.flops.dense);
    expect(first.receipt.flops.overhead).toBe(0);
    const next = [...chat, { role: "assistant", content: "a cat" }, { role: "user", content: "and?" }];
    const alone = await model.complete(next, { ...some, cachePrompt: false });
    await model.complete(chat, some);
    const second = await model.complete(next, some);
    expect(second.receipt.tokens.cached).toBeGreaterThanOrEqual(first.receipt.tokens.prompt - 10);
    expect(second.tokens.map(({ id }) => id)).toEqual(alone.tokens.map(({ id }) => id));
  });

  test("a video is refused", async () => {
    const chat = [{ role: "user", content: [{ type: "video" }, { type: "text", text: "what?" }] }];
    await expect(model.complete(chat, { maxTokens: 1 })).rejects.toThrow(
      "a chat has a video; expected only texts and images",
    );
  });
});

test("heads for yopo are chosen on questions about pictures, over all of an image's grids", async () => {
  using model = await load(path.join(fixtures, "llava-next"), { quant: "f32" });
  const data = ["wide.png", "clear.webp"].map((file) => ({ image: picture(file), prompt: "what?" }));
  const learn = (some: typeof data) => calibrateSaving(model, "yopo", some, { options: { whole: 0 } });
  const [learnt, same, other] = [await learn(data), await learn(data), await learn(data.slice(1))];
  expect(learnt.summary).toMatch(/^2 of 4 heads kept/);
  expect(same.artefact).toEqual(learnt.artefact);
  expect(other.artefact["textsSha256"]).not.toBe(learnt.artefact["textsSha256"]);
  const file = path.join(tempFolder(), "heads.json");
  await saveCalibration(file, learnt);
  const save = [learnt.use(file)];
  const { receipt } = await model.complete("what?", { images: [data[0]!.image], maxTokens: 1, save });
  expect(receipt.recipe).toEqual(save);
});
