import { z } from "zod";

/** The processors that run programs: ONNX Runtime's own kernels, or its WebGPU provider through Vulkan, Metal or Direct3D. */
export const devices = ["cpu", "webgpu"] as const;
export type Device = (typeof devices)[number];

/** The option of every command that loads a decoder. */
export const deviceOptions = z.object({
  device: z.enum(devices).default("cpu").describe("the processor that runs a decoder's layers: cpu or webgpu"),
});

/** The provider's name in ONNX Runtime. */
export const providerOf = { webgpu: "WebGPU" } as const satisfies Record<Exclude<Device, "cpu">, string>;

/** The name of the provider's memory in ONNX Runtime. */
export const memoryOf = { webgpu: "WebGPU_Buffer" } as const satisfies Record<Exclude<Device, "cpu">, string>;

let last: Promise<unknown> = Promise.resolve();

/** Runs tasks one at a time: the provider's single context serves one thread. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = last.then(work);
  last = next.catch(() => {});
  return next;
}
