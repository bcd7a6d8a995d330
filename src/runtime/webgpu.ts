import { Graph } from "../graph/graph.ts";
import { matmul } from "../graph/ops/batched-matmul.ts";
import { UserError } from "../util/errors.ts";
import { Buffer } from "./buffer.ts";
import type { Device } from "./device.ts";
import { Program } from "./program.ts";

/** The reason why a device does not work here; undefined if it works. Runs a small product on it, once per process. */
export async function deviceProblem(device: Device): Promise<string | undefined> {
  if (device === "cpu") return undefined;
  tried ??= tryProduct(device);
  return tried;
}

let tried: Promise<string | undefined> | undefined;

const SIDE = 8;

async function tryProduct(device: Device): Promise<string | undefined> {
  const g = new Graph();
  g.output("y", matmul(g.input("a", "f32", [SIDE, SIDE]), g.input("b", "f32", [SIDE, SIDE])));
  try {
    using program = await Program.compile(g, "shared", undefined, "", device);
    using a = new Buffer("f32", SIDE * SIDE);
    using b = new Buffer("f32", SIDE * SIDE);
    using y = new Buffer("f32", SIDE * SIDE);
    new Float32Array(a.memory).fill(2);
    new Float32Array(b.memory).fill(3);
    const view = (of: Buffer) => of.view([SIDE, SIDE]);
    await program.bind({ a: view(a), b: view(b), y: view(y) }).run();
    const wrong = new Float32Array(y.memory).findIndex((v) => v !== 6 * SIDE);
    return wrong < 0 ? undefined : `it computed a wrong product: ${new Float32Array(y.memory)[wrong]}, not ${6 * SIDE}`;
  } catch (error) {
    // ONNX Runtime names the failed condition first, then its meaning.
    return (error as Error).message.trim().split(" was false. ").at(-1)!;
  }
}

/** @throws UserError if the device does not work here */
export async function requireDevice(device: Device): Promise<void> {
  const problem = await deviceProblem(device);
  if (problem !== undefined)
    throw new UserError(
      `device ${device} does not work here (${problem}); expected cpu, or a machine with a driver for Vulkan, Metal or Direct3D`,
    );
}
