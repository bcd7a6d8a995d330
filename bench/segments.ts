import type { Graph } from "../src/graph/index.ts";
import { traceLayers } from "../src/models/programs/segments.ts";
import { openDecoder } from "../src/models/registry.ts";
import { KvCache } from "../src/models/state/cache.ts";
import { Lengths } from "../src/models/state/lengths.ts";
import { Buffer, type View, ViewSet } from "../src/runtime/buffer.ts";
import { runChain } from "../src/runtime/chain.ts";
import { type BoundProgram, Program } from "../src/runtime/program.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import { preparedFolder } from "../src/weights/sources/index.ts";
import type { Bench, Side } from "./harness.ts";

const PAST = 512;
const STEPS = 256;

/** Decode steps through the stack cut into programs of `per` layers: milliseconds per token. */
function stack(name: string, path: string, per: (layers: number) => number, brief: boolean): Side {
  let bound: Stack;
  return {
    name,
    async start() {
      bound = await bindStack(path, per);
    },
    async run() {
      const started = performance.now();
      for (let i = 0; i < STEPS; i++) await runChain(bound.chain, brief);
      return (performance.now() - started) / STEPS;
    },
    async stop() {
      for (const one of bound.owned) one[Symbol.dispose]();
    },
  };
}

interface Stack {
  readonly chain: readonly BoundProgram[];
  readonly owned: readonly Disposable[];
}

async function bindStack(path: string, per: (layers: number) => number): Promise<Stack> {
  const { decoder, weights } = await openDecoder(openCheckpoint(path), preparedFolder(path));
  const { layers, hidden, heads, headSize } = decoder.config;
  const size = per(layers);
  const graphs: Graph[] = [];
  for (let l = 0; l < layers; l += size) graphs.push(traceLayers(decoder, l, l + size));
  weights.commit();
  const programs = await Promise.all(graphs.map((g) => Program.compile(g)));
  const cache = new KvCache(decoder.config);
  const [lengths, views] = [new Lengths(decoder.config, 1, 1), new ViewSet()];
  const [branch, residual, attended] = [hidden, hidden, heads * headSize].map((width) => new Buffer("f32", width));
  const windowsFrom = lengths.set(0, [{ entries: PAST, positions: PAST }], 1);
  const row = { branch: branch!.view([1, 1, hidden]), residual: residual!.view([1, 1, hidden]) };
  const shared = {
    ...{ ...row, branchOut: row.branch, residualOut: row.residual },
    ...{
      ...lengths.views(0, 1, 1),
      attended: attended!.view([1, 1, heads * headSize]),
      attendedResidual: row.residual,
    },
  };
  const caches = Array.from({ length: layers }, (_, l) => filled(l, cache.from(l, windowsFrom, views)));
  const chain = programs.map((p) => p.bind(Object.assign({ ...shared }, ...caches)));
  return { chain, owned: [...programs, cache, lengths, views, branch!, residual!, attended!] };
}

/** A layer's keys and values, all nonzero, as its program reads and writes them. */
function filled(layer: number, { key, value }: Record<"key" | "value", View>): Record<string, View> {
  for (const { buffer } of [key, value]) new Float32Array(buffer.memory).fill(0.01);
  return {
    ...{ [`pastKey${layer}`]: key, [`presentKey${layer}`]: key },
    ...{ [`pastValue${layer}`]: value, [`presentValue${layer}`]: value },
  };
}

/**
 * Measures what it costs to allow a decision between any two layers: one program per layer. Both sides yield to the
 * event loop.
 */
export const segments: Bench = {
  name: "segments",
  unit: "ms/token",
  moreIsBetter: false,
  lifetime: "kept",
  defaultForm: true,
  sides: ({ path }) => ({
    ours: stack("a program a layer", path, () => 1, true),
    theirs: stack("one program", path, (layers) => layers, false),
  }),
};
