import { fstatSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import { text } from "node:stream/consumers";

/** Everything on stdin. */
export async function readStdin(signal: AbortSignal): Promise<string> {
  return await text(addAbortSignal(signal, process.stdin));
}

/** Whether something is piped or redirected into stdin; a terminal or /dev/null is not. */
export function stdinHasText(): boolean {
  try {
    const stdin = fstatSync(0);
    return stdin.isFIFO() || stdin.isFile() || stdin.isSocket();
  } catch {
    // Closed.
    return false;
  }
}
