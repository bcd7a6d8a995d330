// Measures the time and the bytes that zeros save in answering, on models of random weights of which a share is zero.
//   npx tsx research/sparse/inference.ts
// Writes research/sparse/results/inference.json.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { load, shrinkModel, train } from "../../src/index.ts";
import { root } from "../../tools/section.ts";
import { median } from "../common/median.ts";
import { PROMPT_TOKENS, timed } from "./timed.ts";

const HIDDEN = 512;
const ROUNDS = 5;

/** The method's options by form: all dense, 80 % of all weights zero, 80 % of the MLPs' neurons dead, those cut out. */
const FORMS = {
  dense: "sparsity=0",
  weights: "sparsity=0.8,start=0,end=0",
  neurons: `sparsity=0.8,start=0,end=0,block=1x${HIDDEN},exclude=*attn*+*gate*+*down*,scope=layer`,
} as const;

async function modelOf(form: keyof typeof FORMS, folder: string, text: string): Promise<string> {
  const out = path.join(folder, form);
  const architecture = {
    ...{ model_type: "llama", hidden_size: HIDDEN, intermediate_size: 4 * HIDDEN, num_hidden_layers: 6 },
    ...{ num_attention_heads: 8, num_key_value_heads: 8, max_position_embeddings: 512, rms_norm_eps: 1e-5 },
  };
  const run = { data: text, validation: 0, tokens: 32, batch: 1, steps: 1, method: `sparse:${FORMS[form]}` };
  await train({ ...run, architecture }, { out, threads: 1 });
  return out;
}

function sizeOf(folder: string): { bytes: number; gzip: number; bitmask: number } {
  const file = readFileSync(path.join(folder, "model.safetensors"));
  const values = new Float32Array(
    file.buffer.slice(file.byteOffset + (file.length % 4), file.byteOffset + file.length),
  );
  const nonzero = values.reduce((sum, value) => sum + Number(value !== 0), 0);
  return { bytes: file.length, gzip: gzipSync(file).length, bitmask: 4 * nonzero + Math.ceil(values.length / 8) };
}

async function main(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-inference-"));
  const text = path.join(folder, "text.txt");
  writeFileSync(text, "the quick brown fox jumps over a lazy dog. ".repeat(40));
  const folders = [];
  for (const form of ["dense", "weights", "neurons"] as const) folders.push(await modelOf(form, folder, text));
  const shrunk = path.join(folder, "shrunk");
  await shrinkModel(folders[2]!, shrunk);
  folders.push(shrunk);
  const models = [];
  for (const one of folders) models.push(await load(one, { threads: 1 }));
  const times = models.map((): Awaited<ReturnType<typeof timed>>[] => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, model] of models.entries()) {
      const time = await timed(model);
      if (round > 0) times[i]!.push(time);
    }
  const forms = folders.map((one, i) => ({
    ...{ form: path.basename(one), ...sizeOf(one) },
    ...{ prompt: median(times[i]!.map((t) => t.prompt.ms)), token: median(times[i]!.map((t) => t.token.ms)) },
  }));
  const result = { machine: `${cpus()[0]?.model}, 1 thread`, rounds: ROUNDS, promptTokens: PROMPT_TOKENS, forms };
  writeFileSync(path.join(root, "research/sparse/results/inference.json"), `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  for (const model of models) model.dispose();
  rmSync(folder, { recursive: true });
}

await main();
