import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Checkpoint, openCheckpoint } from "../weights/checkpoint.ts";
import { openDecoder } from "./registry.ts";

const fixtures = fileURLToPath(new URL("fixtures", import.meta.url));

/** A fixture with another architecture's name, and renamed tensors. */
function renamed(fixture: string, changed: (name: string) => readonly string[] = (name) => [name]): Checkpoint {
  const { tensors, config, ...rest } = openCheckpoint(`${fixtures}/${fixture}`);
  const all = [...tensors].flatMap(([name, tensor]) => changed(name).map((own) => [own, tensor] as const));
  return { ...rest, config: asMystery(config), architecture: "mystery", tensors: new Map(all) };
}

/** Renames a configuration's architecture, with which a GGUF's keys begin. */
function asMystery(config: Checkpoint["config"]): Checkpoint["config"] {
  if (config.kind !== "gguf") return config;
  const { metadata } = config;
  const entries = [...metadata];
  metadata.clear();
  for (const [key, value] of entries) metadata.set(key.replace(/^(llama|qwen3|granite)\./, "mystery."), value);
  return config;
}

const refusal = (checkpoint: Checkpoint) =>
  openDecoder(checkpoint, fixtures).then(
    () => "",
    (error: Error) => error.message.replace(/^.*: architecture/, "architecture"),
  );

test("a configuration without weights is near the architecture that reads most of it", async () => {
  const alone = { ...renamed("granite"), tensors: new Map() };
  expect(await refusal(alone)).toBe(
    'architecture "mystery" is not supported; the nearest supported architecture, judged only by the configuration, is "granite"',
  );
});

const more =
  (part: string, ...added: readonly string[]) =>
  (name: string) =>
    name.endsWith(part) ? [name, ...added.map((other) => name.replace(part, other))] : [name];

test.each<[string, Checkpoint, string]>([
  [
    "a norm more",
    renamed("llama-linear", more("input_layernorm.weight", "extra_norm.weight")),
    `"llama", reads 11 of the 12 kinds of its tensors, not "model.layers.*.extra_norm.weight"`,
  ],
  [
    "a norm more, in a GGUF",
    renamed("llama-linear/model.gguf", more("attn_norm.weight", "extra_norm.weight")),
    `"llama", reads 11 of the 12 kinds of its tensors, not "blk.*.extra_norm.weight"`,
  ],
  [
    "a gate less",
    renamed("llama-linear", (name) => (name.includes("gate_proj") ? [] : [name])),
    `"llama", reads all 10 kinds of its tensors, and needs "model.layers.*.mlp.gate_proj.weight"`,
  ],
  [
    "five tensors more, three of which are named",
    renamed("llama-linear", more("q_proj.weight", "a.weight", "b.weight", "c.weight", "d.weight", "e.weight")),
    `not "model.layers.*.self_attn.a.weight", "model.layers.*.self_attn.b.weight", "model.layers.*.self_attn.c.weight" and 2 more`,
  ],
  ["norms of heads", renamed("qwen3"), `"qwen3", reads all 13 kinds of its tensors`],
  ["a configuration's multipliers", renamed("granite"), `"granite", reads all 11 kinds of its tensors`],
  ["the same in a GGUF", renamed("granite/model.gguf"), `"granite", reads all 11 kinds of its tensors`],
  [
    "an encoder of another name",
    renamed("bert", (name) => [name.replace(/^bert\./, "electra.")]),
    `"xlm-roberta", reads 21 of the 25 kinds of its tensors, not "electra.pooler.dense.bias", `,
  ],
])("%s: the nearest architecture, and what differs", async (_, checkpoint, expected) => {
  const message = await refusal(checkpoint);
  expect(message).toMatch(/^architecture "mystery" is not supported; the nearest supported architecture, "/);
  expect(message).toContain(expected);
});

test.each([
  ["other names of all tensors", renamed("llama-linear", (name) => [`net.${name.length}.w`])],
  [
    "a configuration that none can read",
    { ...renamed("llama-linear"), config: { kind: "huggingface", path: "x", config: {} } },
  ],
] as [string, Checkpoint][])("%s: near none, and all that are known are listed", async (_, checkpoint) => {
  expect(await refusal(checkpoint)).toMatch(
    /^architecture "mystery" is not supported \(supported: .*cohere2, .*, llama, .*UNet2DModel\)$/,
  );
});
