import { cachedAttention, Graph, plus, rmsNorm, sym, topK } from "../../../src/graph/index.ts";
import { attentionBlock, type Decoder } from "../../../src/models/decoder/decoder.ts";
import { decoderArchitecture } from "../../../src/models/registry.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { Program } from "../../../src/runtime/program.ts";
import { ParameterStore } from "../../../src/train/step/parameters.ts";
import { weightsOf } from "../../../src/train/step/passes.ts";
import { bare } from "../../../src/train/subject/subject.ts";
import { architecture, type DraftTrainee, draftTrainee, HIDDEN, VOCABULARY } from "./stack.ts";

/** The number of positions in the draft's cache. */
const CAPACITY = 1024;
const EPSILON = 1e-6;

type Inputs = ReturnType<DraftTrainee["weights"]["inputsOf"]>;

/** A trained draft that runs token by token, in float32. */
export class DraftProgram implements Disposable {
  readonly #joined = new Buffer("f32", CAPACITY * 2 * HIDDEN);
  readonly #stream = new Buffer("f32", CAPACITY * HIDDEN);
  readonly #chosen = new Buffer("i64", CAPACITY);
  readonly #lengths = new Buffer("i32", 1);
  readonly #total = new Buffer("i32", 1);
  readonly #positions = new Buffer("i64", CAPACITY);
  readonly #key: Buffer;
  readonly #value: Buffer;

  private constructor(
    private readonly program: Program,
    private readonly store: ParameterStore,
    private readonly weights: Inputs,
    private readonly cache: readonly [heads: number, size: number],
  ) {
    const [heads, size] = cache;
    [this.#key, this.#value] = [new Buffer("f32", heads * CAPACITY * size), new Buffer("f32", heads * CAPACITY * size)];
  }

  /** `fill` sets the weights. */
  static async create(fill: (store: ParameterStore) => void): Promise<DraftProgram> {
    const trainee = await draftTrainee();
    const checkpoint = bare({ ...architecture, vocab_size: VOCABULARY });
    const decoder = (await decoderArchitecture(checkpoint)).open(trainee.weights);
    const store = new ParameterStore(weightsOf(trainee), trainee.trained);
    fill(store);
    const graph = trace(trainee, decoder);
    const { kvHeads, headSize } = decoder.config;
    return new DraftProgram(await Program.compile(graph), store, trainee.weights.inputsOf(graph), [kvHeads, headSize]);
  }

  /** Copies the weights of another store. */
  copy(from: ParameterStore): void {
    for (const parameter of this.store.parameters)
      this.store.valuesOf(parameter).set(from.valuesOf(from.parameter(parameter.name)));
  }

  /** Reads positions from `past` on, [count, 2·hidden]; returns their choices, and the streams after them. */
  run(joined: Float32Array, past: number): { chosen: number[]; streams: Float32Array } {
    const count = joined.length / (2 * HIDDEN);
    new Float32Array(this.#joined.memory).set(joined);
    new Int32Array(this.#lengths.memory)[0] = past + count - 1;
    new Int32Array(this.#total.memory)[0] = past + count;
    new BigInt64Array(this.#positions.memory).set(Array.from({ length: count }, (_, i) => BigInt(past + i)));
    const [heads, size] = this.cache;
    const [key, value] = [this.#key, this.#value].map((each) => each.view([1, heads, CAPACITY, size]));
    const weights = this.weights.map((each) => [each.input, this.store.view("values", each)] as const);
    const binding = {
      ...Object.fromEntries(weights),
      ...{ joined: this.#joined.view([1, count, 2 * HIDDEN]), positions: this.#positions.view([1, count]) },
      ...{ lengths: this.#lengths.view([1]), total: this.#total.view([]) },
      ...{ pastKey: key!, pastValue: value!, presentKey: key!, presentValue: value! },
      ...{ stream: this.#stream.view([1, count, HIDDEN]), chosen: this.#chosen.view([1, count, 1]) },
    };
    this.program.bind(binding).runSync();
    const chosen = Array.from(new BigInt64Array(this.#chosen.memory, 0, count), Number);
    return { chosen, streams: new Float32Array(this.#stream.memory, 0, count * HIDDEN).slice() };
  }

  [Symbol.dispose](): void {
    this.program[Symbol.dispose]();
    this.store[Symbol.dispose]();
    const own = [
      this.#joined,
      this.#stream,
      this.#chosen,
      this.#lengths,
      this.#total,
      this.#positions,
      this.#key,
      this.#value,
    ];
    for (const buffer of own) buffer[Symbol.dispose]();
  }
}

function trace({ join, weights }: DraftTrainee, decoder: Decoder): Graph {
  const g = new Graph();
  const count = sym("tokens");
  const block = attentionBlock(decoder, g, 0);
  const x = join(g, g.input("joined", "f32", [1, count, 2 * HIDDEN]));
  const { qkv, residual } = block.attentionIn({ branch: x });
  const { kvHeads, headSize } = decoder.config;
  const shape = [1, kvHeads, sym("capacity"), headSize];
  const cache = {
    ...{ pastKey: g.input("pastKey", "f32", shape), pastValue: g.input("pastValue", "f32", shape) },
    ...{ lengths: g.input("lengths", "i32", [1]), total: g.input("total", "i32", []) },
    positions: g.input("positions", "i64", [1, count]),
  };
  const attrs = { ...decoder.attention(0), past: sym("past") };
  const { y, presentKey, presentValue } = cachedAttention(qkv, cache, decoder.rotary(g, 0), attrs);
  const stream = block.feedForward(block.attentionOut(y, residual));
  g.output("presentKey", presentKey);
  g.output("presentValue", presentValue);
  const gain = weights.computed(g, `ones.${HIDDEN}`, [HIDDEN], () => new Float32Array(HIDDEN).fill(1));
  g.output("stream", rmsNorm(plus(stream.branch, stream.residual!), gain, EPSILON));
  g.output("chosen", topK(decoder.logits(g, decoder.finish(g, stream)), 1).chosen);
  return g;
}
