import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Meter } from "../src/engine/bill/meter.ts";
import { PREFILL_CHUNK } from "../src/engine/decode/run/chunk.ts";
import { Engine } from "../src/engine/decode/run/engine.ts";
import type { Slot } from "../src/engine/decode/state/slot.ts";
import { Graph, split, sym } from "../src/graph/index.ts";
import { prepare } from "../src/models/programs/programs.ts";
import { type OpenDecoder, openDecoder } from "../src/models/registry.ts";
import { sequenceBytes } from "../src/models/state/state-groups.ts";
import { project } from "../src/nn/linear.ts";
import { Buffer } from "../src/runtime/buffer.ts";
import { type BoundProgram, Program } from "../src/runtime/program.ts";
import { seededRandom } from "../src/util/random.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import type { Bench, Side } from "./harness.ts";
import { openRandom } from "./random-model.ts";

/** Layers of mamba2-130m's sizes, with random weights: a layer's time does not depend on their values. */
const [HIDDEN, INNER, LAYERS, VOCABULARY] = [768, 1536, 4, 1024];
const ARCHITECTURE = {
  ...{ model_type: "mamba2", hidden_size: HIDDEN, num_hidden_layers: LAYERS, num_heads: 24, head_dim: 64 },
  ...{ state_size: 128, n_groups: 1, conv_kernel: 4 },
};
/** The width of the input projection's result: the gate, x, B, C and the step sizes. */
const ENTERING = 2 * INNER + 2 * 128 + 24;

const PROMPT = 2 * PREFILL_CHUNK;
const [SHORT, LONG, STEPS] = [128, 32_768, 64];

/** One model for both sides, in a temporary folder. */
class RandomModel {
  readonly #folder = mkdtempSync(join(tmpdir(), "modicum-bench-mamba-"));
  #users = 0;
  #ready: Promise<{ engine: Engine; products: BoundProgram }> | undefined;
  readonly #held: Disposable[] = [];

  start() {
    this.#users++;
    this.#ready ??= this.#open();
    return this.#ready;
  }

  async #open() {
    const { decoder, weights } = await openRandom(this.#folder, ARCHITECTURE, VOCABULARY);
    const engine = await Engine.create(decoder, weights);
    const again = await openDecoder(openCheckpoint(this.#folder), join(this.#folder, "prepared"));
    const products = await this.#products(again.weights);
    this.#held.push(engine);
    return { engine, products };
  }

  /** A program with only the projections' matrix products for a chunk, one after the other. */
  async #products(weights: OpenDecoder["weights"]): Promise<BoundProgram> {
    const [graph] = prepare(weights, () => {
      const g = new Graph();
      let x = g.input("x", "f32", [1, sym("tokens"), HIDDEN]);
      for (let l = 0; l < LAYERS; l++) {
        const entered = project(x, weights.matrix(g, HIDDEN, { [`blk.${l}.ssm_in.weight`]: ENTERING }));
        const [inner] = split(entered, 2, [INNER, ENTERING - INNER]);
        x = project(inner!, weights.matrix(g, INNER, { [`blk.${l}.ssm_out.weight`]: HIDDEN }));
      }
      g.output("y", x);
      return [g];
    });
    const program = await Program.compile(graph!);
    const [x, y] = [0, 1].map(() => new Buffer("f32", PREFILL_CHUNK * HIDDEN)) as [Buffer, Buffer];
    new Float32Array(x.memory).fill(0.1);
    this.#held.push(program, x, y);
    const shape = [1, PREFILL_CHUNK, HIDDEN];
    return program.bind({ x: x.view(shape), y: y.view(shape) });
  }

  async stop(): Promise<void> {
    if (--this.#users > 0) return;
    for (const held of this.#held) held[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true });
  }
}

const random = seededRandom(1);
const ids = (count: number) => Array.from({ length: count }, () => Math.floor(VOCABULARY * random()));

/** Runs a prompt with an empty cache; returns the milliseconds and the slot for further use. */
async function prefill(engine: Engine, prompt: number) {
  const tokens = ids(prompt);
  const slot = engine.acquireEmpty(tokens);
  const started = performance.now();
  await engine.prefill(slot, tokens, new Meter(engine.programs));
  return { slot, ms: performance.now() - started };
}

const perSecond = (tokens: number, ms: number): number => (1000 * tokens) / ms;

type Ready = Awaited<ReturnType<RandomModel["start"]>>;

function sideOf(model: RandomModel, name: string, run: (ready: Ready) => Promise<number>): Side {
  let ready: Ready | undefined;
  return {
    name,
    async start() {
      ready = await model.start();
    },
    run: () => run(ready!),
    stop: () => model.stop(),
  };
}

const shared = { model: "a random mamba2", unit: "tok/s", moreIsBetter: true, lifetime: "kept" } as const;

/** Compares a Mamba-2 prompt with the matrix products of its projections alone, which no kernel can omit. */
export const mamba: Bench = {
  ...{ ...shared, name: "mamba" },
  sides() {
    const model = new RandomModel();
    return {
      ours: sideOf(model, "a prompt", async ({ engine }) => {
        const { slot, ms } = await prefill(engine, PROMPT);
        engine.release(slot);
        return perSecond(PROMPT, ms);
      }),
      theirs: sideOf(model, "its projections alone", async ({ products }) => {
        const started = performance.now();
        for (let at = 0; at < PROMPT; at += PREFILL_CHUNK) await products.run();
        return perSecond(PROMPT, performance.now() - started);
      }),
    };
  },
};

/** The maximum number of states of a sequence, including snapshots. */
const STATES = 5;

/** Compares Mamba-2 steps after 32,768 tokens with steps after 128. @throws if memory grows with the long text */
export const mambaDecode: Bench = {
  ...{ ...shared, name: "mamba-decode" },
  sides() {
    const model = new RandomModel();
    const after = (prompt: number): Side => {
      // Every run continues one text.
      let slot: Slot | undefined;
      return sideOf(model, `after ${prompt} tokens`, async ({ engine }) => {
        slot ??= (await prefill(engine, prompt)).slot;
        const most = STATES * sequenceBytes(engine.programs.decoder.config, slot.tokens.length);
        if (slot.bytes > most) throw new Error(`${slot.tokens.length} tokens are held in ${slot.bytes} bytes`);
        const started = performance.now();
        for (const token of ids(STEPS)) await engine.step(slot, token, new Meter(engine.programs));
        return perSecond(STEPS, performance.now() - started);
      });
    };
    return { ours: after(LONG), theirs: after(SHORT) };
  },
};
