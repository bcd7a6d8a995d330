import koffi from "koffi";
import type { Pointer } from "./ort/api.ts";

type Callable = (...args: (Pointer | Uint8Array | number | null)[]) => unknown;

const known = new Map<string, Callable>();

/** A function of the C library, which the process has loaded, by its declaration. Throws where the library has no such function. */
export function libc(declaration: string): Callable {
  const found = known.get(declaration) ?? (koffi.load(null).func(declaration) as Callable);
  known.set(declaration, found);
  return found;
}

/** Gives memory back to the system that was freed but kept for later, where the C library can: glibc keeps much after large passing buffers. */
export function trimHeap(): void {
  if (process.platform !== "linux") return;
  try {
    libc("int malloc_trim(size_t keep)")(0);
  } catch {
    // Another C library, such as musl, keeps little.
  }
}
