import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../src/util/errors.ts";
import { home } from "../src/weights/sources/index.ts";
import { embedSide } from "./embed-side.ts";
import type { Bench } from "./harness.ts";
import { realSentences } from "./sentences.ts";
import { US } from "./sides.ts";

/** 1,000 sentences in float32, against transformers.js with an ONNX export of the same weights. */
export const embed: Bench = {
  name: "embed",
  unit: "texts/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides({ path }) {
    const texts = realSentences(1000);
    const check = sameVectors();
    const peer = `transformers.js ${version()}`;
    return {
      ours: embedSide(US, "encoder.ts", path, texts, check),
      theirs: embedSide(peer, "peer/transformers.ts", exported(path), texts, check),
    };
  },
};

function version(): string {
  const manifest = join(import.meta.dirname, "..", "node_modules", "@huggingface", "transformers", "package.json");
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}

/** The peer's folder. Python makes it, which is no part of this project's installation. */
function exported(model: string): string {
  const folder = join(home(), "peers", "minilm-onnx");
  if (existsSync(join(folder, "onnx", "model.onnx"))) return folder;
  throw new UserError(
    `the peer reads ONNX, to be written first: python tools/reference/minilm_onnx.py ${model} ${folder} (with torch, transformers and onnxruntime)`,
  );
}

/** Sees that all runs, whoever's, give the same last vector. */
function sameVectors(): (last: readonly number[]) => void {
  let first: readonly number[] | undefined;
  return (last) => {
    first ??= last;
    const cosine = last.reduce((sum, x, i) => sum + x * first![i]!, 0);
    if (!(Math.abs(cosine - 1) < 1e-5)) throw new Error(`the sides' vectors differ: their cosine is ${cosine}`);
  };
}
