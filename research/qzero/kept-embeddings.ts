import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { load, type Model, type Receipt } from "../../src/index.ts";
import { makeReceipt } from "../../src/ledger/receipt.ts";
import { ClassifyPipeline, openClassifier } from "../../src/library/classify-pipeline.ts";

/** A text's vector and its cost when it was computed. */
interface Kept {
  readonly key: string;
  readonly vector: Float32Array;
  readonly tokens: number;
  readonly flops: number;
  readonly ms: number;
}

const BATCH = 8;

/** An encoder that stores each text's vector in a file, so that a stopped run resumes. */
export class KeptEmbeddings {
  readonly #kept = new Map<string, Kept>();

  constructor(
    private readonly model: Model,
    private readonly file: string,
  ) {
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    // The last line of a run that was killed may be cut short.
    for (const line of lines.filter((line) => line.endsWith("}"))) this.#keep(parsed(line));
  }

  get encoder() {
    return this.model.encoder;
  }

  async embed(texts: readonly string[]) {
    const missing = [...new Map(texts.map((text) => [keyOf(text), text]))].filter(([key]) => !this.#kept.has(key));
    for (let at = 0; at < missing.length; at += BATCH) await this.#compute(missing.slice(at, at + BATCH));
    const answers = texts.map((text) => this.#kept.get(keyOf(text))!);
    return { embeddings: answers.map(({ vector }) => vector), receipt: receiptOf(this.model.name, answers) };
  }

  async #compute(missing: readonly (readonly [key: string, text: string])[]): Promise<void> {
    const { embeddings, receipt } = await this.model.embed(missing.map(([, text]) => text));
    const each = missing.length;
    for (const [i, [key, text]] of missing.entries()) {
      const cost = { flops: receipt.flops.spent / each, ms: receipt.ms.total / each };
      const entry = { key, vector: embeddings[i]!, tokens: this.model.encoder.tokensOf(text), ...cost };
      const packed = Buffer.from(entry.vector.buffer, entry.vector.byteOffset, entry.vector.byteLength);
      appendFileSync(this.file, `${JSON.stringify({ ...entry, vector: packed.toString("base64") })}\n`);
      this.#keep(entry);
    }
  }

  #keep(embedding: Kept): void {
    this.#kept.set(embedding.key, embedding);
  }
}

/** A classifier by word vectors, or by an encoder whose vectors are kept in `folder`. */
export async function openKept(name: string, folder: string): Promise<ClassifyPipeline> {
  if (name === "glove") return openClassifier(name);
  const model = await load(name);
  const cache = new KeptEmbeddings(model, join(folder, `qzero-${name}.jsonl`));
  return new ClassifyPipeline(
    { name, reader: { kind: "encoder", use: (work) => work(cache) }, index: undefined, notice: () => {} },
    {},
    model,
  );
}

const keyOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

function parsed(line: string): Kept {
  const { vector, ...rest } = JSON.parse(line);
  return { ...rest, vector: new Float32Array(new Uint8Array(Buffer.from(vector, "base64")).buffer) };
}

function receiptOf(model: string, entries: readonly Kept[]): Receipt {
  const sum = (of: "tokens" | "flops" | "ms") => entries.reduce((total, one) => total + one[of], 0);
  const [flops, ms] = [sum("flops"), sum("ms")];
  return makeReceipt({
    ...{ model, recipe: [], estimated: false },
    tokens: { prompt: sum("tokens"), cached: 0, completion: 0 },
    flops: { dense: flops, spent: flops, overhead: 0 },
    bytes: { dense: 0, spent: 0 },
    ms: { queue: 0, load: 0, encode: 0, prefill: ms, decode: 0 },
  });
}
