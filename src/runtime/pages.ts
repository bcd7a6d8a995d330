import { libc } from "./libc.ts";
import type { Pointer } from "./ort/api.ts";

// Constants of Linux's sys/mman.h. macOS would keep released pages until memory runs short.
const MADV_DONTNEED = 4;
const MADV_NOHUGEPAGE = 15;
const supported = process.platform === "linux";

const MADVISE = "int madvise(void *address, size_t length, int advice)";
const pageSize = () => BigInt(libc("int getpagesize()")() as number);

/** Advises about whole pages only, because the range may share its first and last page with other data. */
function advise(address: Pointer, bytes: number, advice: number): void {
  const page = pageSize();
  const begin = ((address + page - 1n) / page) * page;
  const end = ((address + BigInt(bytes)) / page) * page;
  if (end > begin) libc(MADVISE)(begin, Number(end - begin), advice);
}

/**
 * Returns memory to the system, if possible: whole pages are no longer resident; until they are written again, they
 * read as zeros, or as the contents of a mapped file.
 */
export function giveBack(address: Pointer, bytes: number): void {
  if (supported) advise(address, bytes, MADV_DONTNEED);
}

/** Keeps the system from using huge pages, which could fill freed parts again. */
export function keepPagesSmall(address: Pointer, bytes: number): void {
  if (supported) advise(address, bytes, MADV_NOHUGEPAGE);
}
