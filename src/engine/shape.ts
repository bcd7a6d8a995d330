import { addSpent, evalCost, graphCost, type Spent, sumCosts } from "../graph/index.ts";
import { traceHidden } from "../models/encoder-graphs.ts";
import { isEncoder, openDecoder, openEncoder } from "../models/registry.ts";
import { traceDense } from "../models/segments.ts";
import { hasWindow, pastSizes } from "../models/window-start.ts";
import { UserError } from "../util/errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { JsonObject } from "../weights/json.ts";
import { chunkAfter } from "./chunk.ts";

/** Lengths of answers to one prompt: `prompt` includes `cached`, `completion` is of all `answers`, which are taken to be equally long. */
export interface Generated {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly answers: number;
}

/** What a model costs by its published configuration alone, with its weights in this engine's usual form: dense, as `Meter` would bill it. */
export interface Shape {
  /** @throws UserError when the model does not generate */
  generated(lengths: Generated): Spent;
  /** Texts of `tokens` in all, taken to be equally long, read as a whole. */
  read(texts: number, tokens: number): Spent;
}

/** The shape that a `config.json` tells; `path` names it in errors. @throws UserError when it is of no architecture that runs here */
export function shapeOf(config: JsonObject, path: string): Shape {
  const architecture = config["model_type"];
  if (typeof architecture !== "string")
    throw new UserError(`${path}: "model_type" is ${JSON.stringify(architecture) ?? "missing"}, expected a name`);
  const checkpoint = withoutWeights(config, path, architecture);
  return isEncoder(checkpoint) ? encoderShape(checkpoint) : decoderShape(checkpoint);
}

/** Where prepared weights would be kept: none are. */
const NOWHERE = "";

function withoutWeights(config: JsonObject, path: string, architecture: string): Checkpoint {
  const read = (): never => {
    throw new Error(`${path} has no weights`);
  };
  const source = { kind: "huggingface", path, config } as const;
  return {
    path,
    files: [],
    config: source,
    architecture,
    tensors: new Map(),
    form: () => undefined,
    floats: read,
    blocks: read,
  };
}

function decoderShape(checkpoint: Checkpoint): Shape {
  const { decoder, weights } = openDecoder(checkpoint, NOWHERE);
  const { config } = decoder;
  const costs = weights.imagined(() => traceDense(decoder)).map((graph) => graphCost(graph));
  const [stack, head] = [sumCosts(costs.slice(0, 2)), sumCosts(costs.slice(2))];
  const run = (tokens: number, past: number) => evalCost(stack, { batch: 1, tokens, ...pastSizes(config, past) });
  const chunk = (past: number) => chunkAfter({ decoder, stackCost: stack }, past);
  const sample = evalCost(head, { batch: 1, tokens: 1 });
  const even = !Array.from({ length: config.layers }, (_, l) => hasWindow(config, l)).includes(true);
  const step = (past: number) => sumOf([run(1, past), sample]);
  return {
    generated: ({ prompt, cached, completion, answers }) =>
      sumOf([
        prefill(run, cached, prompt, chunk),
        times(sample, answers),
        times(steps(step, prompt, Math.max(0, completion / answers - 1), even), answers),
      ]),
    read: (texts, tokens) => times(prefill(run, 0, tokens / texts, chunk), texts),
  };
}

/** In the engine's chunks, as each reads the weights again. */
function prefill(
  run: (tokens: number, past: number) => Spent,
  from: number,
  to: number,
  chunk: (past: number) => number,
): Spent {
  const parts: Spent[] = [];
  for (let past = from, tokens = 0; past < to; past += tokens) {
    tokens = Math.min(chunk(past), to - past);
    parts.push(run(tokens, past));
  }
  return sumOf(parts);
}

/** `count` steps of one token after `past`. What a step costs grows evenly with what is before it, so that the middle one stands for all; windows, which move, do not. */
function steps(step: (past: number) => Spent, past: number, count: number, even: boolean): Spent {
  if (even) return times(step(past + (count - 1) / 2), count);
  return sumOf(Array.from({ length: Math.round(count) }, (_, i) => step(past + i)));
}

function encoderShape(checkpoint: Checkpoint): Shape {
  // As encoders run here: vectors are compared with those that others computed.
  const encoder = openEncoder(checkpoint, NOWHERE, "f32");
  const cost = graphCost(encoder.weights.imagined(() => traceHidden(encoder)));
  return {
    generated: () => {
      throw new UserError(`${checkpoint.path} is an encoder's configuration; expected that of a model that generates`);
    },
    read: (texts, tokens) => evalCost(cost, { batch: texts, tokens: tokens / texts, kept: tokens }),
  };
}

const times = ({ flops, bytes }: Spent, n: number): Spent => ({ flops: flops * n, bytes: bytes * n });

function sumOf(parts: readonly Spent[]): Spent {
  const sum: Spent = { flops: 0, bytes: 0 };
  for (const part of parts) addSpent(sum, part);
  return sum;
}
