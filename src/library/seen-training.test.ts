import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { KindFacts } from "../engine/file/described.ts";
import { fixtures, picture } from "../engine/images/pixels/pictures.testing.ts";
import { withImages } from "../engine/kinds/vision-language.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { load } from "./load.ts";
import { train } from "./train.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-seen-training-"));
afterAll(() => rmSync(folder, { recursive: true }));
const data = path.join(folder, "questions.jsonl");
const lines = [
  { image: picture("wide.png"), prompt: "what?", answer: "ox" },
  { image: picture("clear.webp"), prompt: "what?", answer: "hen" },
];
writeFileSync(data, lines.map((line) => JSON.stringify(line)).join("\n"));

const targets = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";
const options = {
  ...{ data, tokens: 96, batch: 2, validation: 0, optimizer: { lr: 5e-3, weightDecay: 0 }, schedule: { warmup: 5 } },
  ...{ quant: "f32" as const },
};

/** The answers to the two pictures' questions. */
async function answers(model: string, adapter?: string): Promise<string[]> {
  using loaded = await load(model, { quant: "f32", ...(adapter !== undefined && { adapter }) });
  const all: string[] = [];
  for (const { image, prompt } of lines)
    all.push((await loaded.complete(prompt, { images: [image], temperature: 0, maxTokens: 4 })).text.trim());
  return all;
}

test.each(["gemma3-vision", "idefics3", "internvl", "llava-next", "qwen2-vl", "qwen2-5-vl", "qwen3-vl"])(
  "%s: LoRA layers learn to tell two pictures apart, and do so when the model runs with them",
  async (name) => {
    const model = path.join(fixtures, name);
    const out = path.join(folder, name);
    const { loss } = await train({ ...options, model, lora: { rank: 16, alpha: 32, targets }, steps: 100 }, { out });
    expect(loss.last).toBeLessThan(loss.first / 2);
    expect(await answers(model)).not.toEqual(["ox", "hen"]);
    expect(await answers(model, out)).toEqual(["ox", "hen"]);
    const { target_modules: modules } = JSON.parse(readFileSync(path.join(out, "adapter_config.json"), "utf8"));
    expect(modules[0]).toMatch(
      name === "idefics3" ? /^model\.text_model\.layers\.0\./ : /^model\.language_model\.layers\.0\./,
    );
  },
);

test("experts: LoRA layers beside attention learn the pictures", async () => {
  const model = path.join(fixtures, "qwen3-vl-moe");
  const out = path.join(folder, "experts");
  const lora = { rank: 16, alpha: 32, targets: "q_proj,k_proj,v_proj,o_proj" };
  await train({ ...options, model, lora, steps: 100 }, { out });
  expect(await answers(model, out)).toEqual(["ox", "hen"]);
});

test("a decoder is trained whole after its frozen image encoder, whose weights are copied", async () => {
  const model = path.join(fixtures, "qwen3-vl");
  const out = path.join(folder, "whole");
  await train({ ...options, optimizer: { lr: 3e-3 }, model, steps: 100 }, { out });
  expect(await answers(out)).toEqual(["ox", "hen"]);
});

test("the frozen image encoder is billed once, before the first step", async () => {
  const model = path.join(fixtures, "internvl");
  const forward = async (steps: number) => {
    const out = path.join(folder, `billed-${steps}`);
    return (await train({ ...options, model, lora: {}, steps }, { out })).receipt.flops.forward;
  };
  const [one, two] = [await forward(1), await forward(2)];
  const plain = { flops: () => ({}) } as unknown as KindFacts;
  const { flops } = await withImages(plain, openCheckpoint(model), path.join(folder, "prepared"), "f32");
  // One picture has three tiles, the other five.
  expect(2 * one - two).toBe(8 * flops({} as never).flopsPerImage!);
});

test("a model with images also trains LoRA layers on texts alone", async () => {
  const model = path.join(fixtures, "qwen2-5-vl");
  const [texts, out] = [path.join(folder, "texts.jsonl"), path.join(folder, "texts")];
  const messages = [
    { role: "user", content: [{ type: "text", text: "what?" }] },
    { role: "assistant", content: [{ type: "text", text: "owl" }] },
  ];
  writeFileSync(texts, JSON.stringify({ messages }));
  await train({ ...options, data: texts, model, lora: { rank: 16, alpha: 32, targets }, steps: 100 }, { out });
  using loaded = await load(model, { quant: "f32", adapter: out });
  expect((await loaded.complete("what?", { temperature: 0, maxTokens: 4 })).text).toBe("owl");
});
