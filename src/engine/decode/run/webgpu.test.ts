/** A decoder's layers on WebGPU compared with the CPU's, on any adapter that Vulkan finds, including software. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import type { Device } from "../../../runtime/device.ts";
import { deviceProblem, requireDevice } from "../../../runtime/webgpu.ts";
import { densePlan } from "../../../savings/plan.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { Meter } from "../../bill/meter.ts";
import { Engine } from "./engine.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-webgpu-"));
afterAll(() => rmSync(folder, { recursive: true }));

const problem = await deviceProblem("webgpu");
const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));

/** Logits after a prompt, after one more token, and after a longer prompt that continues them; and the total bill. */
async function logitsOn(device: Device, name: string, quant: Quant) {
  const { decoder, weights } = await openDecoder(
    openCheckpoint(fixture(name)),
    join(folder, `${name}-${quant}`),
    quant,
  );
  using engine = await Engine.create(decoder, weights, undefined, device);
  const meter = new Meter(engine.programs);
  const prompt = [5, 9, 2, 7, 1, 3];
  const slot = engine.acquire(prompt);
  const first = (await engine.prefill(slot, prompt, meter)).slice();
  // A sequence that runs in between uses a separate row.
  const other = engine.acquire([9, 9]);
  await engine.prefill(other, [9, 9], new Meter(engine.programs));
  const second = (await engine.step(slot, 4, meter)).slice();
  const places = [slot, other].map(({ onDevice }) => onDevice);
  engine.release(other);
  engine.release(slot);
  const longer = [...prompt, 4, 8, 6];
  const again = engine.acquire(longer);
  const reused = again.tokens.length;
  const third = (await engine.prefill(again, longer, meter)).slice();
  engine.release(again);
  const host = engine.acquire(prompt, { ...densePlan, attention: () => undefined });
  places.push(host.onDevice);
  engine.release(host);
  return { rows: [first, second, third], flops: meter.total().flops, reused, places };
}

const largest = (a: Float32Array, b: Float32Array) => a.reduce((max, v, i) => Math.max(max, Math.abs(v - b[i]!)), 0);

test.skipIf(problem !== undefined).each([
  ["qwen2", "f32"],
  ["llama-tiny.gguf", "auto"],
] as const)(
  "%s with %s weights has the CPU's logits within 1e-3, and its bill",
  async (name, quant) => {
    const [cpu, gpu] = [await logitsOn("cpu", name, quant), await logitsOn("webgpu", name, quant)];
    for (const [i, row] of gpu.rows.entries()) {
      expect(row.every(Number.isFinite)).toBe(true);
      expect(largest(row, cpu.rows[i]!)).toBeLessThan(1e-3);
      expect(largest(row, new Float32Array(row.length))).toBeGreaterThan(1e-2);
    }
    expect(gpu.flops).toEqual(cpu.flops);
    expect([cpu.reused, gpu.reused]).toEqual([7, 7]);
    // Only requests without savings keep keys and values on the device.
    expect([cpu.places, gpu.places]).toEqual([
      [false, false, false],
      [true, true, false],
    ]);
  },
  120_000,
);

test("a device that does not work is refused with its reason; the CPU always works", async () => {
  expect(await deviceProblem("cpu")).toBeUndefined();
  if (problem === undefined) await requireDevice("webgpu");
  else await expect(requireDevice("webgpu")).rejects.toThrow("device webgpu does not work here");
});
