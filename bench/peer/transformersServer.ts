/**
 * transformers.js behind a minimal server: `transformersServer.mjs FOLDER`. Texts run one by one: on two cores that is
 * faster than in parallel, or than batches of 4, 8 or 32 waiting texts, since a batch is padded to its longest text.
 */
import path from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import { servePeer } from "./serve.ts";

const [folder = ""] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(folder);
const extract = await pipeline("feature-extraction", path.basename(folder), { dtype: "fp32", device: "cpu" });

let before: Promise<unknown> = Promise.resolve();

servePeer(async ({ input }: { input: string }) => {
  const running = before.then(() => extract(input, { pooling: "mean", normalize: true }));
  before = running;
  const { buffer, byteOffset, byteLength } = (await running).data as Float32Array<ArrayBuffer>;
  return { data: [{ embedding: Buffer.from(buffer, byteOffset, byteLength).toString("base64") }] };
});
