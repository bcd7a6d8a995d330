import { readFileSync } from "node:fs";
import { type Child, childSide } from "./child.ts";
import type { BenchOptions, Side } from "./harness.ts";

// Read by path, since the package does not export its package.json.
const manifest = new URL("../package.json", import.meta.resolve("node-llama-cpp"));
const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };

export const PEER = `node-llama-cpp ${version}`;
export const US = "modicum";

/** Our engine, as users get it, and llama.cpp on the same file and tokens. `context`: tokens per sequence. */
export function engines(
  options: BenchOptions,
  context: number,
  measure: (child: Child) => Promise<number>,
  sequences = 1,
): { ours: Side; theirs: Side } {
  const common = { context, sequences, measure };
  return {
    ours: childSide({ name: US, script: "engine.ts", model: options.model, ...common }),
    theirs: childSide({ name: PEER, script: "peer/llama.ts", model: options.path, ...common }),
  };
}
