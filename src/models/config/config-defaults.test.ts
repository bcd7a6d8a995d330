import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { isOfKind, openDecoder, openEncoder, openSeq2Seq } from "../registry.ts";

/** The fixtures whose names differ from the model type. */
const FIXTURES: Readonly<Record<string, string>> = {
  gemma3_text: "gemma3",
  llama: "llama-biased",
  llama4_text: "llama4",
  nomic_bert: "nomicbert",
};
const fixtures = path.join(import.meta.dirname, "../fixtures");
const folder = mkdtempSync(path.join(tmpdir(), "modicum-defaults-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Values = Readonly<Record<string, number>>;
const { defaults } = JSON.parse(readFileSync(path.join(fixtures, "config-defaults.json"), "utf8")) as {
  defaults: Readonly<Record<string, Values>>;
};

const ROTARY = ["rope_parameters", "rope_theta", "rope_scaling", "global_rope_theta", "local_rope_theta"];

/** The fixture's checkpoint, with the `values` removed from its configuration. */
function bare(type: string, values: Values) {
  const [from, to] = [path.join(fixtures, FIXTURES[type] ?? type), path.join(folder, type)];
  mkdirSync(to);
  symlinkSync(path.join(from, "model.safetensors"), path.join(to, "model.safetensors"));
  const config = JSON.parse(readFileSync(path.join(from, "config.json"), "utf8"));
  const dropped = [...Object.keys(values), ...("rope_theta" in values ? ROTARY : [])];
  const remaining = Object.entries(config).filter(([key]) => !dropped.includes(key));
  writeFileSync(path.join(to, "config.json"), JSON.stringify({ ...Object.fromEntries(remaining), model_type: type }));
  return openCheckpoint(to);
}

/** Reads the epsilon, and the rotary base of the last layers with full attention. */
async function read(type: string, values: Values) {
  const checkpoint = bare(type, values);
  const prepared = path.join(folder, `${type}-prepared`);
  if (isOfKind("encoder with a decoder", checkpoint))
    return (await openSeq2Seq(checkpoint, prepared, "f32")).model.config;
  if (isOfKind("encoder", checkpoint)) return (await openEncoder(checkpoint, prepared, "f32")).encoder.config;
  return (await openDecoder(checkpoint, prepared, "f32")).decoder.config;
}

test.each(Object.entries(defaults))(
  "%s without them has transformers' values",
  async (type, { rope_theta: theta, ...epsilon }) => {
    const config = (await read(type, { ...epsilon, ...(theta !== undefined && { rope_theta: theta }) })) as {
      epsilon: number;
      layers: number;
      rope?: (layer: number) => { theta: number } | undefined;
    };
    for (const value of Object.values(epsilon)) expect(config.epsilon).toBe(value);
    const bases = Array.from({ length: config.layers }, (_, layer) => config.rope?.(layer)?.theta);
    if (theta !== undefined) expect(bases).toContain(theta);
  },
);
