import { z } from "zod";

/** The processors that run programs: ONNX Runtime's own kernels, or its WebGPU provider through Vulkan, Metal or Direct3D. */
export const devices = ["cpu", "webgpu"] as const;
export type Device = (typeof devices)[number];

/** The option of everything that loads a decoder. */
export const deviceOptions = z.object({
  device: z.enum(devices).default("cpu").describe("the processor that runs a decoder's layers: cpu or webgpu"),
});

/** ONNX Runtime's name of the provider. */
export const providerOf = { webgpu: "WebGPU" } as const satisfies Record<Exclude<Device, "cpu">, string>;

/** ONNX Runtime's name of the provider's memory. */
export const memoryOf = { webgpu: "WebGPU_Buffer" } as const satisfies Record<Exclude<Device, "cpu">, string>;

let last: Promise<unknown> = Promise.resolve();

/** Compiles and runs in turn: the provider's one context serves one thread at a time. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = last.then(work);
  last = next.catch(() => {});
  return next;
}
