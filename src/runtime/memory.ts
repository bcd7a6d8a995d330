import koffi from "koffi";
import { libc } from "./libc.ts";
import type { Pointer } from "./ort/api.ts";

const MEMCPY = "void *memcpy(void *to, void *from, size_t bytes)";
/** Scratch memory for the bytes swapped at once, few enough to fit a core's cache. */
const scratch = new Uint8Array(2 ** 16);

/**
 * Copies bytes that do not overlap, with the C library if it can be called. JavaScript views count as JavaScript's own
 * memory, so the garbage collector would run after every few copies, for several times as long as a copy takes.
 */
export function copyMemory(to: Pointer | Uint8Array, from: Pointer | Uint8Array, bytes: number): void {
  if (process.platform === "win32") viewOf(to, bytes).set(viewOf(from, bytes));
  else libc(MEMCPY)(to, from, bytes);
}

/** Swaps two ranges of bytes, which must not overlap. */
export function exchangeMemory(one: Pointer, other: Pointer, bytes: number): void {
  for (let at = 0; at < bytes; at += scratch.length) {
    const [here, there] = [one + BigInt(at), other + BigInt(at)];
    const part = Math.min(scratch.length, bytes - at);
    copyMemory(scratch, here, part);
    copyMemory(here, there, part);
    copyMemory(there, scratch, part);
  }
}

const viewOf = (at: Pointer | Uint8Array, bytes: number): Uint8Array =>
  typeof at === "bigint" ? new Uint8Array(koffi.view(at, bytes)) : at.subarray(0, bytes);
