/**
 * Writes a trained draft in the saving's format: `npx tsx research/drafts/train/export.ts FOLDER RUN OUT TYPE`, with
 * Q4_1, Q4_0 or Q8_0. Without a `draft.safetensors` in FOLDER/RUN its weights are random, as in the control.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { safetensorsFile } from "../../../src/weights/safetensors/read.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { writeDraft } from "../../../tools/draft-files.ts";
import { MODEL } from "./answered.ts";
import { ownRows } from "./rows.ts";
import { readShard, shardNames } from "./shards.ts";
import { architecture, HIDDEN } from "./stack.ts";

const [folder = "", name = "run", out = "", form] = process.argv.slice(2);
const type = z.enum(["Q4_0", "Q4_1", "Q8_0"]).parse(form);
const training = shardNames(folder, "train-").flatMap((shard) => readShard(folder, shard));
const { tokens } = await ownRows(training);
const file = path.join(folder, name, "draft.safetensors");
const trained = existsSync(file);
const normal = normals(seededRandom(0));
const random = (tensor: string, count: number) =>
  Float32Array.from({ length: count }, () => (tensor.includes("norm") ? 1 : 0.02 * normal()));
const {
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: ffn,
  rope_theta: theta,
} = architecture;
const { sha256 } = await resolveModel(MODEL);
if (sha256 === undefined) throw new Error(`${MODEL} was not downloaded`);
const about = {
  ...{ model: { name: MODEL, sha256 }, quant: "q8r" as const, tokens: [...tokens] },
  trained: trained ? training.reduce((sum, { ids }) => sum + ids.length, 0) : 0,
};
await writeDraft(out, about, { hidden: HIDDEN, heads, kvHeads, ffn, theta, type }, (tensor, count) => {
  if (!trained) return random(tensor, count);
  const { tensors, floats } = safetensorsFile(file);
  return floats(tensors.get(tensor)!);
});
