/** Models and adapters like those that a run writes, built from the models' fixtures. */
import { fileURLToPath } from "node:url";
import type { Architecture } from "../../models/decoder/decoder.ts";
import { traceDense } from "../../models/programs/segments.ts";
import { InputWeights } from "../../models/tensors/input-weights.testing.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { WritableTensor } from "../../weights/safetensors/write.ts";
import type { LoraFactors } from "./adapter.ts";

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));

/** The tensors that a model requests, by canonical name. */
export function tensorsOf(
  checkpoint: Checkpoint,
  architecture: Architecture,
  names: Names,
): ReadonlyMap<string, WritableTensor> {
  using source = new InputWeights(checkpoint, names);
  traceDense(architecture.open(source));
  const canonical = Object.keys(source.views).flatMap((name) => name.split("+"));
  return new Map(
    canonical.map((name): [string, WritableTensor] => {
      const part = new Part(checkpoint, names, name);
      return [name, { shape: part.shape, values: () => part.floats() }];
    }),
  );
}

/** Random LoRA factors, with DoRA norms, for the matrices with these names. */
export function factorsOf(
  tensors: ReadonlyMap<string, WritableTensor>,
  matrices: readonly string[],
  rank: number,
  random: () => number,
): Map<string, LoraFactors> {
  const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5);
  const wanted = [...tensors].filter(([name]) => matrices.some((m) => name.endsWith(`.${m}.weight`)));
  return new Map(
    wanted.map(([name, { shape }]): [string, LoraFactors] => {
      const [outputs, inputs] = shape as [number, number];
      const [down, up] = [values(inputs * rank), values(rank * outputs)];
      const norms = values(outputs).map((value) => value + 1);
      const factors = { inputs, outputs, down: () => down, up: () => up, magnitude: () => norms };
      return [name.replace(/\.weight$/, ""), factors];
    }),
  );
}

export function configOf({ config }: Checkpoint): JsonObject {
  if (config.kind === "gguf") throw new Error("a GGUF has no config.json");
  return config.config;
}
