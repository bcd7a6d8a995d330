import { ortLibrary } from "../../runtime/ort/library.ts";
import { kernelInstructions } from "../../runtime/processor.ts";

/** The machine's properties that determine the last bits of results. */
export interface Machine {
  /** Version of ONNX Runtime. */
  readonly onnxruntime: string;
  /** The processor's architecture and instructions. */
  readonly processor: string;
}

export const thisMachine = (): Machine => ({
  onnxruntime: ortLibrary().version,
  processor: [process.arch, ...kernelInstructions()].join(" "),
});

/** Explains why a run resumed on this machine may differ in its last bits; undefined if the run cannot differ. */
export function driftOf(before: Machine, now: Machine): string | undefined {
  if (before.onnxruntime !== now.onnxruntime)
    return `the checkpoint was written with ONNX Runtime ${before.onnxruntime}, but this machine has ${now.onnxruntime}: losses may differ in their last bits`;
  if (before.processor !== now.processor)
    return "the checkpoint was written on a processor with different instructions: losses may differ in their last bits";
  return undefined;
}
