import koffi from "koffi";

// Of <sys/mman.h>, alike on all of Linux's processors that ONNX Runtime is built for.
const MADV_DONTNEED = 4;
const MADV_NOHUGEPAGE = 15;

/** Linux's calls; undefined elsewhere, where memory that was written stays resident until it is freed. */
function system() {
  if (process.platform !== "linux") return undefined;
  const process_ = koffi.load(null);
  const madvise = process_.func("int madvise(uintptr_t address, size_t bytes, int advice)");
  const pageSize = BigInt(process_.func("int getpagesize()")() as number);
  return { madvise, pageSize };
}

let known: { readonly linux: ReturnType<typeof system> } | undefined;

/** Whole pages only: what else lies on a page that the range begins or ends on is not the caller's. */
function advise(address: bigint, bytes: number, advice: number): void {
  known ??= { linux: system() };
  if (known.linux === undefined) return;
  const { madvise, pageSize } = known.linux;
  const begin = ((address + pageSize - 1n) / pageSize) * pageSize;
  const end = ((address + BigInt(bytes)) / pageSize) * pageSize;
  if (end > begin) madvise(begin, end - begin, advice);
}

/** Gives memory back to the system: its whole pages are resident no more, and read as zeros until they are written anew. */
export const giveBack = (address: bigint, bytes: number): void => advise(address, bytes, MADV_DONTNEED);

/** Keeps the system from backing memory with pages of megabytes, of which parts given back might be filled again. */
export const keepPagesSmall = (address: bigint, bytes: number): void => advise(address, bytes, MADV_NOHUGEPAGE);
