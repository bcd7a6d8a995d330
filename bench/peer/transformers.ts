/** transformers.js as a child process of the bench `embed`. */
import path from "node:path";
import { env, pipeline } from "@huggingface/transformers";
import { serveTexts } from "../embed-side.ts";

/** Texts per batch: the fastest of 1, 2, 4, 8 and 16 on two cores, since batches are padded to their longest text. */
const BATCH = 1;

await serveTexts(async (model) => {
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(model);
  const extract = await pipeline("feature-extraction", path.basename(model), { dtype: "fp32", device: "cpu" });
  return async (texts) => {
    let last = new Float32Array();
    for (let i = 0; i < texts.length; i += BATCH) {
      const { data, dims } = await extract(texts.slice(i, i + BATCH), { pooling: "mean", normalize: true });
      last = (data as Float32Array<ArrayBuffer>).slice(-dims.at(-1)!);
    }
    return last;
  };
});
