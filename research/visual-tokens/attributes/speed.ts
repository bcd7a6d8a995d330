/**
 * Time of a prompt with an image under yopo and feather, against the FLOPs that they report: `npx tsx
 * research/visual-tokens/attributes/speed.ts` measures it anew. Weights are random: nothing but time and FLOPs is
 * measured. Time is the processor's, so that other work on the machine counts little.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { Meter } from "../../../src/engine/bill/meter.ts";
import { Engine } from "../../../src/engine/decode/run/engine.ts";
import { Recipes } from "../../../src/engine/decode/run/recipes.ts";
import { promptOfSpans } from "../../../src/engine/decode/run/spans.ts";
import { load as loadModel } from "../../../src/index.ts";
import { parseRecipe } from "../../../src/index-lab.ts";
import { machine } from "../../../src/lab/run/machine.ts";
import { openDecoder } from "../../../src/models/registry.ts";
import type { Plan } from "../../../src/savings/plan.ts";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { type WritableTensor, writeTensors } from "../../../src/weights/safetensors/write.ts";
import { markdownTable, writeSection } from "../../../tools/section.ts";
import { arms as drawn } from "../vlm-tiny/tuned-arms.ts";
import { load } from "./results.ts";
import { type Shape, shapes, type Timed, type Times, times, timesFile } from "./times.ts";
import { arms } from "./tuned-arms.ts";

const VOCABULARY = 64;
const SERVED_ROUNDS = 40;
export const SECTION = "attributes/speed";
const PAGE = "research/visual-tokens/yopo/README.md";

/** The recipes of the page's tables; files of heads by their names. */
const recipesOf: Readonly<Record<Shape, readonly (readonly string[])[]>> = {
  large: [
    [],
    ["yopo:layers=4"],
    ["yopo:radius=2,causal=true"],
    ["yopo:ffn=0.5"],
    ["yopo:heads=half.json"],
    ["yopo:layers=4,radius=2,causal=true,ffn=0.5,heads=half.json"],
    ["feather:after=2,second=4,ratio=0.7"],
  ],
  world: unique([...load("yopo").answers.map(({ recipe }) => recipe), ...arms.map(({ recipe }) => listOf(recipe))]),
};

function listOf(recipe: string | undefined): readonly string[] {
  return recipe === undefined ? [] : [recipe];
}

function unique(recipes: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return [...new Map(recipes.map((recipe) => [recipe.join(" "), recipe])).values()];
}

/** Heads that visual tokens keep, by the name of their file. */
function keptHeads(shape: Shape): Readonly<Record<string, readonly (readonly boolean[])[]>> {
  const { layers, heads } = shapes[shape];
  const half = Array.from({ length: layers }, () => Array.from({ length: heads }, (_, head) => head % 2 === 0));
  if (shape !== "world") return { "half.json": half };
  const { kept, deep } = load("yopo").heads;
  const others = (all: typeof kept, whole: number) =>
    all.map((row, layer) => row.map((keeps) => layer < whole || !keeps));
  return {
    ...{ "heads.json": kept, "most.json": others(kept, 0), "random.json": half },
    ...{ "deep.json": deep, "deep-most.json": others(deep, 2) },
    "deep-random.json": half.map((row, layer) => row.map((keeps) => layer < 2 || keeps)),
  };
}

async function writeModel(folder: string, { hidden, ffn, layers, heads }: (typeof shapes)[Shape]): Promise<string> {
  const normal = normals(seededRandom(1));
  const tensor = (...shape: number[]): WritableTensor => ({
    shape,
    values: () => Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0.02 * normal()),
  });
  const ones = (): WritableTensor => ({ shape: [hidden], values: () => new Float32Array(hidden).fill(1) });
  const layer = (l: number): [string, WritableTensor][] => {
    const name = (part: string) => `model.layers.${l}.${part}.weight`;
    return [
      ...["q_proj", "k_proj", "v_proj", "o_proj"].map((part): [string, WritableTensor] => [
        name(`self_attn.${part}`),
        tensor(hidden, hidden),
      ]),
      [name("mlp.gate_proj"), tensor(ffn, hidden)],
      [name("mlp.up_proj"), tensor(ffn, hidden)],
      [name("mlp.down_proj"), tensor(hidden, ffn)],
      [name("input_layernorm"), ones()],
      [name("post_attention_layernorm"), ones()],
    ];
  };
  const file = join(folder, "model.safetensors");
  await writeTensors(
    file,
    new Map([
      ["model.embed_tokens.weight", tensor(VOCABULARY, hidden)],
      ["model.norm.weight", ones()],
      ...Array.from({ length: layers }, (_, l) => layer(l)).flat(),
    ]),
  );
  const config = {
    ...{ model_type: "llama", hidden_size: hidden, intermediate_size: ffn, num_hidden_layers: layers },
    ...{ num_attention_heads: heads, num_key_value_heads: heads, vocab_size: VOCABULARY, hidden_act: "silu" },
    ...{ max_position_embeddings: 1024, rms_norm_eps: 1e-5, rope_theta: 10_000, tie_word_embeddings: true },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  return file;
}

async function measure(shape: Shape, folder: string): Promise<Timed[]> {
  const { hidden, grid, rounds } = shapes[shape];
  mkdirSync(folder);
  const { decoder, weights } = await openDecoder(
    openCheckpoint(await writeModel(folder, shapes[shape])),
    folder,
    "f32",
  );
  using engine = await Engine.create(decoder, weights);
  const modelSha256 = "0".repeat(64);
  for (const [file, mask] of Object.entries(keptHeads(shape))) {
    const ratios = mask.map((row) => row.map(Number));
    writeFileSync(join(folder, file), JSON.stringify({ modelSha256, keep: 0.5, ratios, kept: mask }));
  }
  using prepared = new Recipes({ decoder, hash: async () => modelSha256 }, (plan) => engine.prepare(plan));
  const embeddings = Float32Array.from({ length: grid[0] * grid[1] * hidden }, normals(seededRandom(2)));
  const image = { embeddings, contentHash: `speed ${shape}`, grid };
  const prompt = promptOfSpans([[1, 2, 3], image, [4, 5, 6, 7, 8, 9]], hidden);

  async function run(plan: Plan) {
    engine.forget();
    const slot = engine.acquireEmpty(prompt.prompt, plan);
    const meter = new Meter(engine.programs);
    const started = process.cpuUsage();
    for await (const _ of engine.chunks(slot, prompt.prompt, { plan, meter, embeddings: prompt.embeddings }));
    const { user, system } = process.cpuUsage(started);
    engine.release(slot);
    return { ms: (user + system) / 1000, flops: meter.total().flops };
  }

  const found: { recipe: readonly string[]; plan: Plan; ms: number; flops: number }[] = [];
  for (const recipe of recipesOf[shape]) {
    const steps = recipe.map((text) => text.replace(/heads=/, `heads=${folder}/`));
    // Not given back: a recipe that nobody uses may be dropped before its rounds are over.
    const lease = await prepared.use(parseRecipe(steps));
    const plan = lease.plan(prompt.prompt.length, prompt.visual);
    // The first run warms up.
    const { flops } = await run(plan);
    found.push({ recipe, plan, ms: Number.POSITIVE_INFINITY, flops: flops.spent / flops.dense });
  }
  for (let round = 0; round < rounds; round++)
    for (const row of found) row.ms = Math.min(row.ms, (await run(row.plan)).ms);
  return timed(found);
}

/** Rounded, and with the times of dense's. */
function timed(found: readonly Omit<Timed, "time">[]): Timed[] {
  const dense = found.find(({ recipe }) => recipe.length === 0)!.ms;
  const to = (digits: number, value: number) => Number(value.toFixed(digits));
  return found.map(({ recipe, ms, flops }) => ({
    ...{ recipe, ms: to(2, ms), time: to(2, ms / dense), flops: to(4, flops) },
  }));
}

/** Times of vlm-tiny as served: every prompt has a new picture. */
async function served(): Promise<Timed[]> {
  using model = await loadModel("vlm-tiny", { quant: "f32" });
  const found = drawn.map(({ recipe }) => ({ recipe: listOf(recipe), ms: Number.POSITIVE_INFINITY, flops: 1 }));
  for (let round = 0; round < SERVED_ROUNDS; round++)
    for (const [i, row] of found.entries()) {
      const background = { r: 5 * round, g: 40 * i, b: 9 };
      const image = await sharp({ create: { width: 96, height: 96, channels: 3, background } })
        .png()
        .toBuffer();
      const terms = { images: [image], raw: true, maxTokens: 1, temperature: 0, save: row.recipe };
      const { flops, ms } = (await model.complete("where is the cat?", terms)).receipt;
      row.ms = Math.min(row.ms, ms.prefill);
      row.flops = flops.spent / flops.dense;
    }
  return timed(found);
}

/** The section, from the committed times. */
export function speedSection(): string {
  const { large } = times().of;
  return markdownTable(
    ["recipe", "milliseconds", "FLOPs, of dense", "time, of dense"],
    large.map(({ recipe, ms, time, flops }) => [
      recipe.length === 0 ? "dense" : `\`${recipe.join(" ")}\``,
      ...[ms.toFixed(0), flops.toFixed(3), time.toFixed(2)],
    ]),
  );
}

if (process.argv[1] === import.meta.filename) {
  const folder = mkdtempSync(join(tmpdir(), "modicum-speed-"));
  const of = (shape: Shape) => measure(shape, join(folder, shape));
  const all = { large: await of("large"), world: await of("world"), "vlm-tiny": await served() };
  const found: Times = { machine: machine(), of: all };
  writeFileSync(timesFile, `${JSON.stringify(found)}\n`);
  rmSync(folder, { recursive: true });
  writeSection(PAGE, SECTION, speedSection());
}
