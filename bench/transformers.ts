import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../src/util/errors.ts";
import { home } from "../src/weights/sources/index.ts";

const manifest = join(import.meta.dirname, "..", "node_modules", "@huggingface", "transformers", "package.json");
const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };

export const TRANSFORMERS = `transformers.js ${version}`;

/** A folder that transformers.js reads, written from `model` by Python, which is not part of this project's installation. @throws UserError */
export function exported(name: "minilm" | "smollm2", file: string, model: string): string {
  const folder = join(home(), "peers", `${name}-onnx`);
  if (existsSync(join(folder, "onnx", file))) return folder;
  throw new UserError(
    `the peer reads ONNX, to be written first: python tools/reference/${name}_onnx.py ${model} ${folder} (with torch, transformers, onnx, onnx_ir and onnxruntime)`,
  );
}
