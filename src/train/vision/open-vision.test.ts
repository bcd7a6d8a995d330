import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteSource } from "../../weights/tokenizer/tokenizer.testing.ts";
import { type TrainInput, trainOptions } from "../options.ts";
import { openSeen, withImageToken } from "./open-vision.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-open-vision-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
const tokenizer = new Tokenizer(byteSource(["<image>"]));

const architecture = {
  model_type: "llava",
  text_config: {
    model_type: "llama",
    hidden_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 8,
  },
  vision_config: {
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    intermediate_size: 8,
    image_size: 24,
    patch_size: 8,
  },
};
const optionsOf = (more: Partial<TrainInput>) => trainOptions.parse({ data: "none.jsonl", architecture, ...more });

test("a new model has its tokenizer's vocabulary and image token", () => {
  const { architecture: vlmConfig } = withImageToken(optionsOf({}), tokenizer);
  expect(vlmConfig).toMatchObject({ image_token_index: 256, text_config: { vocab_size: tokenizer.vocabSize } });
  const plain = optionsOf({ architecture: { model_type: "gpt2" } });
  expect(withImageToken(plain, tokenizer)).toBe(plain);
});

test("questions about one picture share a row after its tokens; answers are the labels", async () => {
  const data = path.join(folder, "questions.jsonl");
  const image = path.relative(folder, fixture("pictures/wide.png"));
  const questions = [
    { prompt: "ab", answer: "c" },
    { prompt: "d", answer: "ef" },
  ];
  writeFileSync(data, JSON.stringify({ image, questions }));
  const read = await openSeen(withImageToken(optionsOf({ data }), tokenizer), undefined, folder, tokenizer);
  const { ids, labels, visual, image: placed } = read!.read({ image: path.resolve(folder, image), questions });
  const [bos, eos] = [tokenizer.addBos ? [tokenizer.bos!] : [], tokenizer.eos === undefined ? [] : [tokenizer.eos]];
  const whole = [...bos, ...Array(9).fill(256), 97, 98, 99, ...eos, 100, 101, 102, ...eos];
  expect([...ids]).toEqual(whole.slice(0, -1));
  expect([...labels].filter((label) => label >= 0)).toEqual([99, ...eos, 101, 102, ...eos]);
  expect(placed!.at).toBe(bos.length);
  expect(visual).toEqual([{ first: bos.length, grid: [3, 3] }]);
  expect(placed!.pixels()).toHaveLength(3 * 24 * 24);
});

test("data without pictures, and new models with a frozen encoder, are refused", async () => {
  const data = path.join(folder, "texts.jsonl");
  writeFileSync(data, '{ "text": "a" }');
  const base = { name: "clip", checkpoint: openCheckpoint(fixture("clip")), tokenizer, prepared: folder };
  expect(await openSeen(optionsOf({ data }), base, folder, tokenizer)).toBeUndefined();
  const options = withImageToken(optionsOf({ data }), tokenizer);
  await expect(openSeen(options, undefined, folder, tokenizer)).rejects.toThrow(
    /texts.jsonl: the model reads images; expected lines with "image", "prompt" and "answer"/,
  );
  const config = JSON.parse(readFileSync(path.join(fixture("internvl"), "config.json"), "utf8"));
  await expect(openSeen(optionsOf({ data, architecture: config }), undefined, folder, tokenizer)).rejects.toThrow(
    "architecture: a new internvl cannot be trained; expected a llava, or an existing model",
  );
});
