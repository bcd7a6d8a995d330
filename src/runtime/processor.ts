import { closeSync, openSync, readSync } from "node:fs";
import type { CodeBits } from "../graph/index.ts";

/** Linux's names for instructions that multiply bytes and accumulate: x86's VNNI and AMX, ARM's dot product. */
const BYTE_PRODUCTS = ["avx512_vnni", "avx_vnni", "amx_int8", "asimddp"];

/** One processor's entry, up to its instruction names, is much shorter than this. */
const ENTRY = 16_384;

/**
 * The code width at which ONNX Runtime multiplies matrices of 4-bit codes fastest (docs/log.md): 8 if the processor
 * multiplies bytes in one instruction or lists no instructions; else 4. `cpuinfo` is Linux's /proc/cpuinfo, or its
 * beginning.
 */
export const fastestBits = (cpuinfo: string): CodeBits => (namesByteProducts(cpuinfo) === false ? 4 : 8);

/**
 * True if a processor lists an instruction that multiplies bytes and accumulates; false if it lists only other
 * instructions; undefined if it lists none.
 */
export function namesByteProducts(cpuinfo: string = readStart("/proc/cpuinfo")): boolean | undefined {
  const flags = flagsOf(cpuinfo);
  return flags && BYTE_PRODUCTS.some((name) => flags.includes(name));
}

const flagsOf = (cpuinfo: string): string[] | undefined =>
  /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/);

/** Linux's names of the instructions by which ONNX Runtime chooses its float32 kernels. */
const KERNELS = /^(sse4_1|f16c|fma|avx|avx2|avx512\w*|avx_\w+|amx_\w+|asimd\w*|sve\w*|i8mm|bf16)$/;

/** Processor classes by how they multiply bytes, fastest first, with Linux's names of their instructions. */
const CLASSES = [
  ["AMX", ["amx_int8"]],
  ["VNNI", ["avx512_vnni", "avx_vnni"]],
  ["dot-product", ["asimddp"]],
  ["AVX2", ["avx2"]],
] as const;

/** This machine's class, for benchmarks; undefined if it lists none of these instructions. */
export function processorClass(cpuinfo: string = readStart("/proc/cpuinfo")): string | undefined {
  const flags = flagsOf(cpuinfo) ?? [];
  return CLASSES.find(([, names]) => names.some((name) => flags.includes(name)))?.[0];
}

/** The instructions of this processor that decide which kernels run, and so the last bits of their results. */
export function kernelInstructions(cpuinfo: string = readStart("/proc/cpuinfo")): string[] {
  return (flagsOf(cpuinfo) ?? []).filter((flag) => KERNELS.test(flag)).toSorted();
}

/** True if one instruction multiplies bytes and accumulates, or cpuinfo lists no instructions; else sums overflow. */
export const multipliesBytes = (): boolean => processorBits() === 8;

/** `fastestBits` for this machine. */
export const processorBits = (): CodeBits => fastestBits(readStart("/proc/cpuinfo"));

/** The file's beginning; "" if it cannot be read. */
function readStart(file: string): string {
  try {
    const fd = openSync(file, "r");
    try {
      const bytes = Buffer.alloc(ENTRY);
      return bytes.toString("latin1", 0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch {
    return "";
  }
}
