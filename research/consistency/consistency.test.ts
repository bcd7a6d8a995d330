/**
 * A published consistency model of height maps, an ONNX file of PyPI's `adaptive-terrain-diffusion`, in this house's blocks:
 * its step equals ONNX Runtime's own run of the file (tools/reference/consistency.py).
 */
import { Buffer as Bytes } from "node:buffer";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { consistencyRoute } from "../../src/engine/images/imagine/consistency.ts";
import { NoiseRunner } from "../../src/engine/images/imagine/noise-runner.ts";
import { Painter } from "../../src/engine/images/imagine/painter.ts";
import { difference } from "../../src/models/encoder/encoder.testing.ts";
import { prepare } from "../../src/models/programs/programs.ts";
import { openImageGenerator } from "../../src/models/registry.ts";
import { normals } from "../../src/util/normals.ts";
import { seededRandom } from "../../src/util/random.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { terrainFile, writeUNet } from "./unet.ts";

const reference = JSON.parse(readFileSync(new URL("fixtures/consistency.json", import.meta.url), "utf8")) as {
  readonly every: number;
  readonly cases: { seed: number; sigma: number; difficulty: number; pixels: string }[];
};
const folder = mkdtempSync(path.join(tmpdir(), "modicum-consistency-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** 39 MB, which a test does not download: `npx tsx research/consistency/fetch.ts`. */
test.skipIf(!existsSync(terrainFile))("a real consistency network's step is ONNX Runtime's own", async () => {
  await writeUNet(terrainFile, folder);
  const { model, weights } = await openImageGenerator(openCheckpoint(folder), folder);
  if (model.denoising.kind !== "consistency") throw new Error("the network is a consistency model");
  const [network] = prepare(weights, () => Painter.trace(model));
  using runner = await NoiseRunner.compile(model.unet, network);
  for (const { seed, sigma, difficulty, pixels } of reference.cases) {
    const random = normals(seededRandom(seed));
    const step = consistencyRoute({ ...model.denoising.noise, most: sigma }, 1).steps[0]!;
    const noise = Float32Array.from({ length: model.unet.config.imageSize ** 2 }, () => sigma * random());
    const scaled = noise.map((value) => step.scale * value);
    step.advance(noise, await runner.run(scaled, [step.time], [{ row: difficulty }]), random);
    const expected = new Float32Array(new Uint8Array(Bytes.from(pixels, "base64")).buffer);
    const taken = [...expected.keys()].map((i) => noise[i * reference.every]!);
    expect(new Set(taken).size).toBeGreaterThan(200);
    expect(difference(taken, expected)).toBeLessThan(1e-3);
  }
});
