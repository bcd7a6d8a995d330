import koffi from "koffi";
import type { Pointer } from "./ort/api.ts";

type Callable = (...args: (Pointer | Uint8Array | number | null)[]) => unknown;

const known = new Map<string, Callable>();

/** Returns a function of the loaded C library, given its declaration. Throws if the library has no such function. */
export function libc(declaration: string): Callable {
  const callable = known.get(declaration) ?? (koffi.load(null).func(declaration) as Callable);
  known.set(declaration, callable);
  return callable;
}

/** Ends the process without Node's own exit, which waits for threads and restores the terminal. */
export function endAtOnce(status: number): void {
  if (process.platform === "win32") process.exit(status);
  libc("void _exit(int status)")(status);
}

/** Returns freed memory to the system, if the C library supports it: glibc retains much of it after large buffers. */
export function trimHeap(): void {
  if (process.platform !== "linux") return;
  try {
    libc("int malloc_trim(size_t keep)")(0);
  } catch {
    // Other C libraries, such as musl, keep little.
  }
}
