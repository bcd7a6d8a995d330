/**
 * Time of a prompt with an image of 24 × 24 tokens under yopo and feather, against the FLOPs that they say: `npx tsx tools/attributes/speed.ts`.
 * Weights are random: nothing but time and FLOPs is measured. Time is the processor's, so that other work on the machine counts little.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Meter } from "../../src/engine/bill/meter.ts";
import { Engine } from "../../src/engine/run/engine.ts";
import { Recipes } from "../../src/engine/run/recipes.ts";
import { promptOfSpans } from "../../src/engine/run/spans.ts";
import { openDecoder } from "../../src/models/registry.ts";
import type { Plan } from "../../src/savings/plan.ts";
import { parseRecipe } from "../../src/savings/recipe.ts";
import { normals } from "../../src/util/normals.ts";
import { seededRandom } from "../../src/util/random.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { type WritableTensor, writeTensors } from "../../src/weights/safetensors/write.ts";
import { markdownTable, writeSection } from "../section.ts";

const [HIDDEN, FFN, LAYERS, HEADS, VOCABULARY] = [512, 1408, 8, 8, 64];
const [SIDE, ROUNDS] = [24, 9];

const recipes = [
  "",
  "yopo:layers=4",
  "yopo:radius=2,causal=true",
  "yopo:ffn=0.5",
  "yopo:heads=HEADS",
  "yopo:layers=4,radius=2,causal=true,ffn=0.5,heads=HEADS",
  "feather:after=2,second=4,ratio=0.7",
];

async function writeModel(folder: string): Promise<string> {
  const normal = normals(seededRandom(1));
  const tensor = (...shape: number[]): WritableTensor => ({
    shape,
    values: () => Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0.02 * normal()),
  });
  const ones = (): WritableTensor => ({ shape: [HIDDEN], values: () => new Float32Array(HIDDEN).fill(1) });
  const layer = (l: number): [string, WritableTensor][] => {
    const name = (part: string) => `model.layers.${l}.${part}.weight`;
    return [
      ...["q_proj", "k_proj", "v_proj", "o_proj"].map((part): [string, WritableTensor] => [
        name(`self_attn.${part}`),
        tensor(HIDDEN, HIDDEN),
      ]),
      [name("mlp.gate_proj"), tensor(FFN, HIDDEN)],
      [name("mlp.up_proj"), tensor(FFN, HIDDEN)],
      [name("mlp.down_proj"), tensor(HIDDEN, FFN)],
      [name("input_layernorm"), ones()],
      [name("post_attention_layernorm"), ones()],
    ];
  };
  const file = join(folder, "model.safetensors");
  await writeTensors(
    file,
    new Map([
      ["model.embed_tokens.weight", tensor(VOCABULARY, HIDDEN)],
      ["model.norm.weight", ones()],
      ...Array.from({ length: LAYERS }, (_, l) => layer(l)).flat(),
    ]),
  );
  const config = {
    ...{ model_type: "llama", hidden_size: HIDDEN, intermediate_size: FFN, num_hidden_layers: LAYERS },
    ...{ num_attention_heads: HEADS, num_key_value_heads: HEADS, vocab_size: VOCABULARY, hidden_act: "silu" },
    ...{ max_position_embeddings: 1024, rms_norm_eps: 1e-5, rope_theta: 10_000, tie_word_embeddings: true },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return file;
}

/** The least of all rounds: other work only adds to it. */
const least = (values: readonly number[]): number => Math.min(...values);

const folder = mkdtempSync(join(tmpdir(), "modicum-speed-"));
const { decoder, weights } = openDecoder(openCheckpoint(await writeModel(folder)), folder, "f32");
const engine = await Engine.create(decoder, weights);
const heads = join(folder, "heads.json");
const kept = Array.from({ length: LAYERS }, () => Array.from({ length: HEADS }, (_, head) => head % 2 === 0));
const ratios = kept.map((row) => row.map(Number));
const modelSha256 = "0".repeat(64);
writeFileSync(heads, JSON.stringify({ modelSha256, keep: 0.5, ratios, kept }));
const prepared = new Recipes({ decoder, hash: async () => modelSha256 }, (plan) => engine.prepare(plan));

const normal = normals(seededRandom(2));
const embeddings = Float32Array.from({ length: SIDE * SIDE * HIDDEN }, normal);
const image = { embeddings, contentHash: "speed", grid: [SIDE, SIDE] as const };
const asked = promptOfSpans([[1, 2, 3], image, [4, 5, 6, 7, 8, 9]], HIDDEN);

async function run(plan: Plan) {
  engine.forget();
  const slot = engine.acquireEmpty(asked.prompt, plan);
  const meter = new Meter(engine.programs);
  const started = process.cpuUsage();
  for await (const _ of engine.chunks(slot, asked.prompt, { plan, meter, embeddings: asked.embeddings }));
  const { user, system } = process.cpuUsage(started);
  engine.release(slot);
  return { ms: (user + system) / 1000, flops: meter.total().flops };
}

const rows = await Promise.all(
  recipes.map(async (recipe) => {
    using lease = await prepared.use(parseRecipe(recipe === "" ? [] : [recipe.replace("HEADS", heads)]));
    return { recipe, plan: lease.plan(asked.prompt.length, asked.visual), ms: [] as number[], flops: 1 };
  }),
);
for (let round = 0; round <= ROUNDS; round++)
  for (const row of rows) {
    const { ms, flops } = await run(row.plan);
    row.flops = flops.spent / flops.dense;
    // The first round warms up.
    if (round > 0) row.ms.push(ms);
  }
const dense = least(rows[0]!.ms);
const found = rows.map(({ recipe, ms, flops }) => {
  const time = least(ms) / dense;
  return { recipe: recipe || "dense", ms: Math.round(10 * least(ms)) / 10, flops, time };
});
for (const { recipe, ms, flops, time } of found)
  console.log(`${recipe.padEnd(60)} ${ms.toFixed(1)} ms  FLOPs ${flops.toFixed(3)}  time ${time.toFixed(3)}`);
writeSection(
  "docs/results/yopo/README.md",
  "attributes/speed",
  markdownTable(
    ["recipe", "milliseconds", "FLOPs, of dense", "time, of dense"],
    found.map(({ recipe, ms, flops, time }) => [
      recipe === "dense" ? recipe : `\`${recipe.replace("HEADS", "half")}\``,
      ...[ms.toFixed(0), flops.toFixed(3), time.toFixed(3)],
    ]),
  ),
);
prepared[Symbol.dispose]();
engine[Symbol.dispose]();
rmSync(folder, { recursive: true });
