import type { OutputKind } from "./output-shape.ts";

/** The command that a page begins with, and the output that it shows of it. */
export interface Opening {
  readonly command: string;
  readonly kind: OutputKind;
  readonly output: string;
}

const FENCE = /^```(.*)\n([\s\S]*?)^```$/m;
const KINDS: readonly OutputKind[] = ["json", "text", "text answer"];

/** @throws if the page's first block is not a command in `sh`, with its output in the block right after it */
export function openingOf(page: string): Opening {
  const first = FENCE.exec(page);
  if (first?.[1] !== "sh") throw new Error("the first fenced block has to be a command, in ```sh");
  const after = page.slice(first.index + first[0].length);
  const second = FENCE.exec(after);
  const kind = KINDS.find((name) => name === second?.[1]);
  if (!second || !kind || after.slice(0, second.index).trim() !== "")
    throw new Error("the command's output has to follow it at once, in ```json, ```text or ```text answer");
  return { command: first[2]!, kind, output: second[2]! };
}

/** The port that pages name. */
const PORT = /\b8080\b/g;

export const onPort = (text: string, port: number): string => text.replace(PORT, String(port));

/**
 * The command for a clone that is already installed, with servers on `port` and without `npm test`, which is for
 * readers.
 */
export function runnable(command: string, port: number): string {
  return onPort(command, port)
    .replace(/^npm ci && /gm, "")
    .replace(/^npm test\b.*$/gm, "")
    .replace(/^(node bin\/modicum\.js serve\b(?!.* --port ).*?) &$/gm, `$1 --port ${port} &`);
}
