/** Text parts of checkpoints that also have images, under their published names. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { type WritableTensor, writeTensors } from "../../weights/safetensors/write.ts";
import { Stack } from "../programs/stack.testing.ts";
import { openDecoder, readsTextAlone } from "../registry.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-text-parts-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = (name: string) => path.join(import.meta.dirname, "../fixtures", name);

async function logitsOf(checkpoint: Checkpoint, prepared: string): Promise<Float32Array> {
  const { decoder, weights } = await openDecoder(checkpoint, path.join(folder, prepared), "f32");
  using stack = await Stack.compile(decoder, weights, "whole");
  return await stack.run([5, 9, 30, 61, 7, 12]);
}

/** Gate projections above up projections, with all experts in one tensor, as in Qwen3.5's published mixtures. */
function stacked(tensors: ReadonlyMap<string, WritableTensor>): Map<string, WritableTensor> {
  const results = new Map([...tensors].filter(([name]) => !/\.experts\.\d+\./.test(name)));
  for (const name of tensors.keys()) {
    const experts = /^(.*\.experts)\.0\.gate_proj\.weight$/.exec(name)?.[1];
    if (experts === undefined) continue;
    const count = [...tensors.keys()].filter(
      (n) => n.startsWith(`${experts}.`) && n.endsWith("down_proj.weight"),
    ).length;
    const join = (stack: string, parts: readonly string[]) => {
      const all = Array.from({ length: count }, (_, e) =>
        parts.map((part) => tensors.get(`${experts}.${e}.${part}.weight`)!),
      ).flat();
      const [rows, width] = all[0]!.shape as [number, number];
      const values = () => Float32Array.from(all.flatMap((tensor) => [...tensor.values()]));
      results.set(`${experts}.${stack}`, { shape: [count, parts.length * rows, width], values });
    };
    join("gate_up_proj", ["gate_proj", "up_proj"]);
    join("down_proj", ["down_proj"]);
  }
  return results;
}

test.each([
  { name: "qwen3_5", published: "qwen3_5", image: "model.visual.patch_embed.proj.weight" },
  { name: "qwen3_5_moe", published: "qwen3_5_moe", image: "model.visual.patch_embed.proj.weight" },
  { name: "llama4", published: "llama4", image: "vision_model.class_embedding" },
])("$name as a part of a model with images", async ({ name, published, image }) => {
  const text = openCheckpoint(fixture(name));
  const tensors = new Map(
    [...text.tensors.values()].map((tensor) => [
      published === "llama4"
        ? `language_model.${tensor.name}`
        : tensor.name.replace(/^model\./, "model.language_model."),
      { shape: tensor.shape, values: () => text.floats(tensor) },
    ]),
  );
  const whole = path.join(folder, name);
  mkdirSync(whole);
  const all = stacked(tensors).set(image, { shape: [2, 2], values: () => new Float32Array(4) });
  await writeTensors(path.join(whole, "model.safetensors"), all);
  const config = JSON.parse(readFileSync(path.join(fixture(name), "config.json"), "utf8"));
  writeFileSync(path.join(whole, "config.json"), JSON.stringify({ model_type: published, text_config: config }));
  const checkpoint = openCheckpoint(whole);
  expect(await readsTextAlone(checkpoint)).toBe(true);
  expect(await logitsOf(checkpoint, `${name}-prepared`)).toEqual(await logitsOf(text, `${name}-text`));
});

test("Gemma 4's images and sounds are not read", async () => {
  expect(await readsTextAlone(openCheckpoint(fixture("gemma4-images")))).toBe(true);
  expect(await readsTextAlone(openCheckpoint(fixture("gemma4")))).toBe(false);
});
