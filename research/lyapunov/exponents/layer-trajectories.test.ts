import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openDecoder } from "../../../src/models/registry.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { Part } from "../../../src/weights/prepared/part.ts";
import { benettin, type StateMap, unitVector } from "./benettin.ts";
import { layerTrajectories, scaledRecurrence } from "./layer-trajectories.ts";
import { OpenStates, type Recurrent } from "./open-states.ts";
import { greatest, measureSpectra } from "./spectra.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lyapunov-"));
afterAll(() => rmSync(folder, { recursive: true }));
const ids = Array.from({ length: 256 }, (_, i) => 3 + ((i * i + 5 * i) % 67));
const fixture = (name: string) => fileURLToPath(new URL(`../../../src/models/fixtures/${name}`, import.meta.url));
const open = (name: string) => openDecoder(openCheckpoint(fixture(name)), path.join(folder, name), "f32");

/** QR's greatest exponent of a recurrent network's layer, from its Jacobians diag(1 − h²) W at the visited states. */
async function byQr(model: Recurrent, layer: number): Promise<number> {
  using states = await OpenStates.open(model, { rows: 1, tokens: 1, length: ids.length });
  const ran: Float32Array[] = [];
  for (const id of ids) {
    await states.run([[id]]);
    ran.push(states.state(layer, 0).slice());
  }
  const name = `backbone.layers.${layer}.mixer.hidden_proj.weight`;
  const weight = new Part(openCheckpoint(fixture("rnn")), (canonical) => canonical, name).floats();
  const [transient, size] = [ids.length / 4, ran[0]!.length];
  const map: StateMap = {
    next: (state) => state,
    push: (_, vector, step) =>
      vector.map((_value, i) => {
        const product = vector.reduce((sum, value, j) => sum + weight[i * size + j]! * value, 0);
        return (1 - ran[step + 1]![i]! ** 2) * product;
      }),
  };
  const start = unitVector(size, 0);
  return benettin(map, start, [start], { steps: ids.length - 1 - transient, transient })[0]!;
}

test("a recurrent network's exponents equal its Jacobians' by QR", async () => {
  const model = await open("rnn");
  const result = await layerTrajectories(model, ids, 1);
  expect(result).toHaveLength(2);
  for (const [l, { max, standardError }] of result.entries()) {
    expect(Math.abs(max - (await byQr(model, l)))).toBeLessThan(1e-2);
    expect(standardError).toBeGreaterThan(0);
  }
  expect(await measureSpectra(model, ids.slice(0, 64))).toEqual([]);
  for (const { max } of await layerTrajectories(model, ids.slice(0, 128), 1, scaledRecurrence))
    expect(max).toBeGreaterThan(0.05);
});

test("a state space's equal its closed form", async () => {
  const model = await open("mamba2");
  const closed = (await measureSpectra(model, ids)).map(({ exponents }) => greatest(exponents));
  const result = await layerTrajectories(model, ids, 1);
  for (const [l, { max }] of result.entries()) expect(Math.abs(max - closed[l]!)).toBeLessThan(1e-2);
});
