import { statSync } from "node:fs";
import { bandwidth } from "./bandwidth.ts";
import type { Child } from "./child.ts";
import type { Bench } from "./harness.ts";
import { engines } from "./sides.ts";
import { realTokens } from "./tokens.ts";

const PROMPT = 512;
const STEPS = 128;

/** Measures decoding in tokens per second. */
export async function decodeRate(child: Child): Promise<number> {
  const { seconds } = await child.call("decode", { tokens: realTokens(PROMPT), n: STEPS });
  return STEPS / seconds;
}

/** Decodes 128 greedy tokens after a prompt of 512 tokens, in one sequence. */
export const decode: Bench = {
  name: "decode",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides: (options) => engines(options, 1024, decodeRate),
  // Each step reads every weight once, so the floor is the machine's read rate divided by the file's size.
  async floor({ path }) {
    const { size } = statSync(path);
    return (await bandwidth(size)) / size;
  },
};
