import { Graph, inPrecision, type PrecisionPolicy, roundings } from "../../../src/graph/index.ts";
import { type Decoder, hasRecurrent } from "../../../src/models/decoder/decoder.ts";
import { prepare } from "../../../src/models/programs/programs.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { Program } from "../../../src/runtime/program.ts";
import { DecoderStack } from "../../../src/train/graphs/decoder-stack.ts";
import { OpenStates, type Recurrent } from "../exponents/open-states.ts";

/** A language model and its weights. */
export type OpenModel = Recurrent;

/** The number of parts of a text that are measured separately. */
export const PARTS = 8;

/** A model's run over a text. */
export interface TextRun {
  /** [tokens, vocabulary]. */
  readonly logits: Float32Array;
  /** The scan states of all layers at the end of each part; empty for a model with attention. */
  readonly states: readonly Float32Array[];
}
export type RunText = (ids: readonly number[]) => Promise<TextRun>;

/** Runs a model in a precision: one that attends over the whole text, a recurrent one token by token, so that its states are rounded at each. */
export async function withRuns<T>(
  model: OpenModel,
  precision: PrecisionPolicy,
  use: (run: RunText) => Promise<T>,
): Promise<T> {
  if (!hasRecurrent(model.decoder.config)) return withWholeText(model, precision, use);
  const { context: length } = model.decoder.config;
  using states = await OpenStates.open(model, { rows: 1, tokens: 1, length, changes: roundings(precision) });
  return await use(async (ids) => {
    states.reset();
    const logits = new Float32Array(ids.length * states.vocabulary);
    const ends = Array.from({ length: PARTS }, (_, part) => Math.floor(((part + 1) * ids.length) / PARTS));
    const rows: Float32Array[] = [];
    for (const [t, id] of ids.entries()) {
      await states.run([[id]]);
      logits.set(states.logits, t * states.vocabulary);
      if (ends.includes(t + 1)) rows.push(Float32Array.from(states.scans.flatMap((_, l) => [...states.scan(l, 0)])));
    }
    return { logits, states: rows };
  });
}

async function withWholeText<T>(
  { decoder, weights }: OpenModel,
  precision: PrecisionPolicy,
  use: (run: RunText) => Promise<T>,
): Promise<T> {
  const programs = new Map<number, Program>();
  const programOf = async (tokens: number) => {
    const [graph] = programs.has(tokens) ? [] : prepare(weights, () => [traced(decoder, tokens)]);
    if (graph) programs.set(tokens, await Program.compile(inPrecision(graph, precision)));
    return programs.get(tokens)!;
  };
  try {
    return await use(async (ids) => {
      const [tokens, { vocabulary }] = [ids.length, decoder.config];
      using tokenIds = new Buffer("i64", tokens);
      using lengths = new Buffer("i32", 1);
      using logits = new Buffer("f32", tokens * vocabulary);
      new BigInt64Array(tokenIds.memory).set(ids.map(BigInt));
      new Int32Array(lengths.memory).fill(tokens - 1);
      const views = { ids: tokenIds.view([1, tokens]), lengths: lengths.view([1]) };
      const program = await programOf(tokens);
      await program.bind({ ...views, logits: logits.view([1, tokens, vocabulary]) }).run();
      return { logits: new Float32Array(logits.memory).slice(), states: [] };
    });
  } finally {
    for (const program of programs.values()) program[Symbol.dispose]();
  }
}

/** The graph that trains, over a whole row. */
function traced(decoder: Decoder, tokens: number): Graph {
  const g = new Graph();
  const stack = new DecoderStack(decoder);
  const shape = { rows: 1, tokens, packed: false };
  let x = stack.embed(g, shape);
  for (let l = 0; l < stack.layers; l++) x = stack.layer(g, l, x, shape);
  g.output("logits", decoder.logits(g, decoder.finish(g, { branch: x })));
  return g;
}
