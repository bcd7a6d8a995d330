import {
  type Cost,
  cachedAttention,
  concat,
  confidence,
  evalCost,
  Graph,
  gather,
  rmsNorm,
  type Spent,
  sumCosts,
  sym,
  type Tensor,
  topK,
} from "../../../graph/index.ts";
import { attentionBlock, type Decoder } from "../../../models/decoder/decoder.ts";
import { prepare } from "../../../models/programs/programs.ts";
import { type OpenDecoder, openDecoder } from "../../../models/registry.ts";
import { project } from "../../../nn/linear.ts";
import { settle } from "../../../nn/stream.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { type Binding, type BoundProgram, Program } from "../../../runtime/program.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { preparedFolder } from "../../../weights/sources/index.ts";
import type { StoredDraft } from "./artefact.ts";

/** The maximum number of positions that the network attends to. */
export const CAPACITY = 1024;
const EPSILON = 1e-6;

/** Combines a token's embedding with the model's residual stream at the previous token: [hidden, 2·hidden]. */
const JOIN = "draft.join.weight";

/** The saved keys and values of one request, while another request uses the network. */
export class DraftCache {
  readonly stored: Float32Array[] = [];
}

/** Positions to read: the residual streams of tokens, and the token after each. */
interface Places {
  readonly streams: readonly Float32Array[];
  readonly behind: readonly number[];
  readonly past: number;
}

/** The predicted next token, its probability, and the network's own residual stream at the last position. */
interface Guess {
  readonly token: number;
  readonly probability: number;
  readonly stream: Float32Array;
}

/** One layer, shared by all requests, that predicts the next residual stream with the model's embeddings and head. */
export class DraftNetwork implements Disposable {
  readonly #cost: Cost;
  readonly #hidden: number;
  readonly #keys: readonly number[];
  readonly #buffers;
  /** Bound programs, by the number of positions. */
  readonly #bound = new Map<number, readonly BoundProgram[]>();
  /** The request whose keys and values are in the buffers. */
  #owner: DraftCache | undefined;

  private constructor(
    private readonly programs: readonly Program[],
    { kvHeads, headSize, hidden }: Decoder["config"],
    private readonly tokens: readonly number[],
  ) {
    this.#cost = sumCosts(programs.map(({ cost }) => cost));
    this.#hidden = hidden;
    this.#keys = [1, kvHeads, CAPACITY, headSize];
    const [wide, cache] = [
      () => new Buffer("f32", CAPACITY * hidden),
      () => new Buffer("f32", kvHeads * CAPACITY * headSize),
    ];
    this.#buffers = {
      ...{ ids: new Buffer("i64", CAPACITY), vectors: wide(), streams: wide(), key: cache(), value: cache() },
      ...{ lengths: new Buffer("i32", 1), total: new Buffer("i32", 1), positions: new Buffer("i64", CAPACITY) },
      ...{ last: new Buffer("i64", 1), stream: new Buffer("f32", hidden) },
      ...{ chosen: new Buffer("i64", 1), sure: new Buffer("f32", 3) },
    };
  }

  /** `model` is the decoder that the network drafts for. @throws UserError if the file does not fit the model */
  static async open({ weights: file, tokens }: StoredDraft, model: Decoder): Promise<DraftNetwork> {
    const network = await openDecoder(openCheckpoint(file), preparedFolder(file));
    const [layer] = prepare(network.weights, () => [traceLayer(network)]);
    const graphs = [traceVectors(model), layer!, traceHead(model, tokens)];
    return new DraftNetwork(await Promise.all(graphs.map((g) => Program.compile(g))), network.decoder.config, tokens);
  }

  costOf(tokens: number, past: number): Spent {
    return evalCost(this.#cost, { batch: 1, tokens, past });
  }

  run(cache: DraftCache, { streams, behind, past }: Places): Guess {
    this.#enter(cache);
    const { ids, lengths, total, positions, last, ...rest } = this.#buffers;
    const { length: count } = streams;
    for (const [i, stream] of streams.entries()) new Float32Array(rest.streams.memory).set(stream, i * this.#hidden);
    // Ids below 0 are image rows.
    new BigInt64Array(ids.memory).set(behind.map((id) => BigInt(Math.max(0, id))));
    new BigInt64Array(positions.memory).set(behind.map((_, i) => BigInt(past + i)));
    new Int32Array(lengths.memory)[0] = past + count - 1;
    new Int32Array(total.memory)[0] = past + count;
    new BigInt64Array(last.memory)[0] = BigInt(count - 1);
    const bound = this.#bound.get(count) ?? this.#bind(count);
    this.#bound.set(count, bound);
    for (const program of bound) program.runSync();
    return {
      token: this.tokens[Number(new BigInt64Array(rest.chosen.memory)[0])]!,
      probability: new Float32Array(rest.sure.memory)[0]!,
      stream: new Float32Array(rest.stream.memory).slice(),
    };
  }

  #bind(count: number): BoundProgram[] {
    const { key, value, ...own } = this.#buffers;
    const [keys, values] = [key.view(this.#keys), value.view(this.#keys)];
    const wide = [1, count, this.#hidden];
    const binding: Binding = {
      ...{ ids: own.ids.view([1, count]), vectors: own.vectors.view(wide), streams: own.streams.view(wide) },
      ...{ lengths: own.lengths.view([1]), total: own.total.view([]), positions: own.positions.view([1, count]) },
      ...{ pastKey: keys, presentKey: keys, pastValue: values, presentValue: values, last: own.last.view([1]) },
      ...{
        stream: own.stream.view([1, 1, this.#hidden]),
        chosen: own.chosen.view([1, 1, 1]),
        sure: own.sure.view([1, 1, 3]),
      },
    };
    return this.programs.map((program) => program.bind(binding));
  }

  /** Copies a request's keys and values into the buffers, after saving another request's. */
  #enter(cache: DraftCache): void {
    if (this.#owner === cache) return;
    for (const [i, buffer] of [this.#buffers.key, this.#buffers.value].entries()) {
      const memory = new Float32Array(buffer.memory);
      if (this.#owner) this.#owner.stored[i] = memory.slice();
      if (cache.stored[i]) memory.set(cache.stored[i]);
    }
    this.#owner = cache;
  }

  [Symbol.dispose](): void {
    for (const each of [...this.programs, ...Object.values(this.#buffers)]) each[Symbol.dispose]();
  }
}

/** `x` divided by the root mean square of each row. */
function unit(g: Graph, x: Tensor): Tensor {
  const width = Number(x.shape.at(-1));
  const bytes = new Uint8Array(new Float32Array(width).fill(1).buffer);
  const ones =
    g.constants.find(({ name }) => name === ONES)?.tensor ??
    g.constant(ONES, { dtype: "f32", shape: [width] }, { kind: "memory", bytes });
  return rmsNorm(x, ones, EPSILON);
}
const ONES = "draft.ones";

const count = sym("tokens");

/**
 * The model's token embeddings. All constants of a graph come from one folder, so the model and the network need
 * separate graphs.
 */
function traceVectors(model: Decoder): Graph {
  const g = new Graph();
  const vectors = model.embed(g, g.input("ids", "i64", [1, count]), () => g.input("lengths", "i32", [1]));
  g.output("vectors", unit(g, vectors));
  return g;
}

/** The network's layer, which returns its residual stream at the last position. */
function traceLayer({ decoder, weights }: OpenDecoder): Graph {
  const g = new Graph();
  const { hidden, kvHeads, headSize } = decoder.config;
  const wide = [1, count, hidden];
  const joined = concat([g.input("vectors", "f32", wide), unit(g, g.input("streams", "f32", wide))], 2);
  const block = attentionBlock(decoder, g, 0);
  const { qkv, residual } = block.attentionIn({
    branch: project(joined, weights.matrix(g, 2 * hidden, { [JOIN]: hidden })),
  });
  const shape = [1, kvHeads, sym("capacity"), headSize];
  const cache = {
    ...{ pastKey: g.input("pastKey", "f32", shape), pastValue: g.input("pastValue", "f32", shape) },
    ...{ lengths: g.input("lengths", "i32", [1]), total: g.input("total", "i32", []) },
    positions: g.input("positions", "i64", [1, count]),
  };
  const attrs = { ...decoder.attention(0), past: sym("past") };
  const { y, presentKey, presentValue } = cachedAttention(qkv, cache, decoder.rotary(g, 0), attrs);
  const stream = settle(block.feedForward(block.attentionOut(y, residual)));
  g.output("presentKey", presentKey);
  g.output("presentValue", presentValue);
  g.output("stream", unit(g, gather(stream, g.input("last", "i64", [1]), 1)));
  return g;
}

/** The model's own head, restricted to the given tokens. */
function traceHead(model: Decoder, tokens: readonly number[]): Graph {
  const g = new Graph();
  const stream = g.input("stream", "f32", [1, 1, model.config.hidden]);
  const logits = model.logitsOf(g, model.finish(g, { branch: stream }), tokens);
  g.output("chosen", topK(logits, 1).chosen);
  g.output("sure", confidence(logits));
  return g;
}
