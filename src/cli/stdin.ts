import { once } from "node:events";
import { fstatSync } from "node:fs";
import { addAbortSignal } from "node:stream";
import { text } from "node:stream/consumers";
import { UserError } from "../util/errors.ts";
import { warn } from "./errors.ts";

/** Milliseconds to wait for a silent socket. */
const PATIENCE = 1000;

/** The maximum number of bytes to read: more than any context holds, and within Node's limit for strings. */
const MOST_BYTES = 2 ** 26;

/** Reads all of stdin. @throws UserError if it is longer than a prompt may be */
export async function readStdin(signal: AbortSignal): Promise<string> {
  return await text(within(addAbortSignal(signal, process.stdin)));
}

async function* within(stdin: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of stdin) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new UserError(`stdin has more than ${MOST_BYTES} bytes, the maximum for a prompt`);
    yield chunk;
  }
}

/** Text piped or redirected into stdin, besides a prompt in the arguments; "" without such text. */
export async function pipedText(signal: AbortSignal): Promise<string> {
  switch (stdinKind()) {
    case "none":
      return "";
    case "text":
      return await readStdin(signal);
    case "socket":
      return (await somethingComes()) ? await readStdin(signal) : "";
  }
}

/** Kinds of stdin: a terminal and /dev/null hold no text; Node gives its children a socket that may be unused. */
function stdinKind(): "none" | "text" | "socket" {
  try {
    const stdin = fstatSync(0);
    if (stdin.isSocket()) return "socket";
    return stdin.isFIFO() || stdin.isFile() ? "text" : "none";
  } catch {
    return "none"; // closed
  }
}

async function somethingComes(): Promise<boolean> {
  try {
    await once(process.stdin, "readable", { signal: AbortSignal.timeout(PATIENCE) });
    return true;
  } catch {
    warn(`nothing on stdin within ${PATIENCE} ms; continuing without it`);
    process.stdin.destroy();
    return false;
  }
}
