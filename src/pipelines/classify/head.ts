import { z } from "zod";
import type { Usage } from "../../engine/decode/answer/generate.ts";
import type { Answers, ReadTerms } from "../../engine/encoders/text/encoder-model.ts";
import { type Cost, evalCost, Graph, graphCost, linear, plus, type Spent, sym } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";
import { type Logistic, logitsOf } from "../../util/logistic.ts";
import { keepJson } from "../../util/write-whole.ts";
import { readJson } from "../../weights/json-file.ts";
import { type Embedder, type EmbedderIdentity, embedderIdentity } from "./embedder.ts";
import type { LabelModel } from "./label-model.ts";

/** Little-endian float32 numbers in base64. */
const floats = z.base64("expected float32 numbers in base64").transform(unpacked);

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");

/** The record of a head's training. */
const training = z.strictObject({
  /** The training data: its name, the hash of its texts and labels, and its number of rows. */
  data: z.strictObject({ name: z.string(), sha256, rows: z.int().min(1) }),
  seed: z.int().min(0),
  l2: z.number().positive().describe("of standardised features"),
});
type Training = z.output<typeof training>;

/** A linear head as stored in a file: logits = weights·vector + bias. */
const headFile = z
  .strictObject({
    kind: z.literal("label-head", 'expected "label-head"'),
    model: embedderIdentity,
    labels: z.array(z.string()).min(2, "expected two labels or more"),
    width: z.int().min(1),
    weights: floats.describe("[labels, width]"),
    bias: floats.describe("[labels]"),
    training,
  })
  .refine((h) => h.weights.length === h.labels.length * h.width, {
    path: ["weights"],
    error: "expected labels × width numbers",
  })
  .refine((h) => h.bias.length === h.labels.length, { path: ["bias"], error: "expected a number for each label" });

/** A trained linear head, the vectors that it reads, and its labels. */
export interface LabelHead {
  readonly model: EmbedderIdentity;
  readonly labels: readonly string[];
  readonly linear: Logistic;
  readonly training: Training;
}

/** @throws UserError that names the file and the invalid field */
export function readHead(file: string): LabelHead {
  const { model, labels, width, weights, bias, training } = readJson(file, headFile, "a label head");
  return { model, labels, training, linear: { classes: labels.length, width, weights, bias } };
}

/** Writes a head atomically, its numbers rounded to float32. @throws UserError if it cannot be written */
export async function writeHead(file: string, { model, labels, linear, training }: LabelHead): Promise<void> {
  const { width, weights, bias } = linear;
  const head = { kind: "label-head", model, labels, training, width, bias: packed(bias), weights: packed(weights) };
  await keepJson(file, head);
}

function unpacked(text: string): Float64Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, "base64");
  return Float64Array.from(new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % 4))));
}

const packed = (values: Float64Array): string => Buffer.from(Float32Array.from(values).buffer).toString("base64");

/** An embedder with a head, which costs two FLOPs per weight, as in the graph's own counts. */
export class HeadModel implements LabelModel, Disposable {
  readonly #cost: Cost;

  /** @throws UserError if the head was trained on other vectors */
  constructor(
    readonly embedder: Embedder,
    readonly head: LabelHead,
  ) {
    checkBound(embedder, head);
    this.#cost = graphCost(tracedHead(head.linear));
  }

  get name(): string {
    return this.embedder.identity.name;
  }

  get key(): string {
    return JSON.stringify([this.embedder.identity, this.head.training]);
  }

  get labels(): readonly string[] {
    return this.head.labels;
  }

  async logits(texts: readonly string[], terms?: ReadTerms): Promise<Answers<Float64Array>> {
    const { answers, usage } = await this.embedder.embed(texts, terms);
    const started = performance.now();
    const logits = answers.map((vector) => this.read(vector));
    return { answers: logits, usage: withHead(usage, this.#priceOf(texts.length), performance.now() - started) };
  }

  /** Computes the logits for an embedder's vector. */
  read(vector: ArrayLike<number>): Float64Array {
    return logitsOf(this.head.linear, vector);
  }

  price(texts: readonly string[]): Spent {
    const [body, head] = [this.embedder.price(texts), this.#priceOf(texts.length)];
    return { flops: body.flops + head.flops, bytes: body.bytes + head.bytes };
  }

  #priceOf(texts: number): Spent {
    return texts === 0 ? { flops: 0, bytes: 0 } : evalCost(this.#cost, { texts });
  }

  [Symbol.dispose](): void {
    this.embedder[Symbol.dispose]();
  }
}

function withHead({ flops, bytes, ms, ...usage }: Usage, head: Spent, time: number): Usage {
  return {
    ...usage,
    flops: { ...flops, dense: flops.dense + head.flops, spent: flops.spent + head.flops },
    bytes: { dense: bytes.dense + head.bytes, spent: bytes.spent + head.bytes },
    ms: { ...ms, prefill: ms.prefill + time },
  };
}

/** @throws UserError if the head was trained on other vectors */
function checkBound({ identity, width }: Embedder, { model, linear }: LabelHead): void {
  const shown = ({ name, sha256 }: EmbedderIdentity) => `${name} (${sha256.slice(0, 12)})`;
  if (model.name !== identity.name || model.sha256 !== identity.sha256)
    throw new UserError(`the head was trained for ${shown(model)}, but the model is ${shown(identity)}`);
  if (linear.width !== width)
    throw new UserError(`the head reads vectors of ${linear.width} numbers, but ${identity.name} returns ${width}`);
}

function tracedHead({ classes, width }: Logistic): Graph {
  const g = new Graph();
  const logits = linear(g.input("x", "f32", [sym("texts"), width]), g.input("weight", "f32", [width, classes]));
  g.output("logits", plus(logits, g.input("bias", "f32", [classes])));
  return g;
}
