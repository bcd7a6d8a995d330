/** Logits of some tokens, for every form of head. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Graph } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import { traceExitHead } from "../../savings/depth/exits/heads.ts";
import { seededRandom } from "../../util/random.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { preparedFolder } from "../../weights/sources/index.ts";
import { openDecoder } from "../registry.ts";
import { prepare } from "./programs.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}.gguf`, import.meta.url));
const tokens = [0, 3, 4, 17, 40, 63];

const none = (): never => {
  throw new Error("a shared head has no weights of its own");
};

test.each<[string, Quant]>([
  ["llama-tiny", "f32"],
  ["llama-tiny", "q8"],
  ["llama-tiny", "q4"],
  ["llama-tiny", "auto"],
])(
  "%s as %s: the exit's logits are the head's at these tokens, and the others are as unlikely as the least of these",
  async (name, quant) => {
    const path = fixture(name);
    const { decoder, weights } = await openDecoder(openCheckpoint(path), preparedFolder(path), quant);
    const { hidden, vocabulary } = decoder.config;
    const traced = (some?: readonly number[]) => {
      const g = new Graph();
      const x = g.input("x", "f32", [1, 2, hidden]);
      g.output("logits", traceExitHead(g, decoder, none, { mode: "shared", tokens: some }, 1, x));
      return g;
    };
    const [whole] = prepare(weights, () => [traced()]);
    const some = traced(tokens);
    const random = seededRandom(2);
    const input = Float32Array.from({ length: 2 * hidden }, () => random() - 0.5);
    const run = async (g: Graph): Promise<Float32Array> => {
      using program = await Program.compile(g);
      using x = new Buffer("f32", 2 * hidden);
      using logits = new Buffer("f32", 2 * vocabulary);
      new Float32Array(x.memory).set(input);
      await program.bind({ x: x.view([1, 2, hidden]), logits: logits.view([1, 2, vocabulary]) }).run();
      return new Float32Array(logits.memory).slice();
    };
    const [all, few] = [await run(whole!), await run(some)];
    for (let row = 0; row < 2; row++) {
      const lowest = Math.min(...tokens.map((id) => all[row * vocabulary + id]!));
      for (let id = 0; id < vocabulary; id++) {
        const at = row * vocabulary + id;
        if (tokens.includes(id)) expect(few[at]).toBeCloseTo(all[at]!, 4);
        else expect(few[at]).toBeCloseTo(lowest, 4);
      }
    }
  },
);
