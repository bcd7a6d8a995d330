/** Texts as a frozen model has read them, in files: `NAME.json` is written last. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Kind } from "./documents.ts";

/** Some tokens of a text, or a question with the model's answer. */
export interface ReadText {
  readonly kind: Kind;
  /** True if the model wrote the end of it. */
  readonly answered: boolean;
  /** The first token of the answer; 0 for a text. */
  readonly from: number;
  readonly ids: Int32Array;
  /** The model's likeliest next token after each. */
  readonly best: Int32Array;
  /** The model's last stream at each token, divided by its root mean square: [tokens, hidden] in bf16. */
  readonly features: Uint16Array;
}

interface Header {
  readonly hidden: number;
  readonly texts: readonly {
    readonly kind: Kind;
    readonly answered: boolean;
    readonly from: number;
    readonly tokens: number;
  }[];
}

export function writeShard(folder: string, name: string, hidden: number, texts: readonly ReadText[]): void {
  const file = (end: string) => path.join(folder, `${name}.${end}`);
  const bytes = (arrays: readonly (Int32Array | Uint16Array)[]) =>
    Buffer.concat(arrays.map((a) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength)));
  writeFileSync(file("ids"), bytes(texts.map(({ ids }) => ids)));
  writeFileSync(file("best"), bytes(texts.map(({ best }) => best)));
  writeFileSync(file("bf16"), bytes(texts.map(({ features }) => features)));
  const header: Header = {
    hidden,
    texts: texts.map(({ kind, answered, from, ids }) => ({ kind, answered, from, tokens: ids.length })),
  };
  writeFileSync(file("json"), JSON.stringify(header));
}

export const hasShard = (folder: string, name: string): boolean => existsSync(path.join(folder, `${name}.json`));

/** Names of complete shards with this prefix. */
export const shardNames = (folder: string, prefix: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort();

/** All texts of a shard; features are read when they are asked for. */
export function readShard(folder: string, name: string): ReadText[] {
  const file = (end: string) => path.join(folder, `${name}.${end}`);
  const { hidden, texts } = JSON.parse(readFileSync(file("json"), "utf8")) as Header;
  const numbers = (end: string) => {
    const bytes = readFileSync(file(end));
    return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  };
  const [ids, best] = [numbers("ids"), numbers("best")];
  let at = 0;
  return texts.map(({ tokens, ...about }) => {
    const first = at;
    at += tokens;
    return {
      ...about,
      ids: ids.subarray(first, at),
      best: best.subarray(first, at),
      get features() {
        return readPart(file("bf16"), first * hidden, tokens * hidden);
      },
    };
  });
}

function readPart(file: string, first: number, count: number): Uint16Array {
  const values = new Uint16Array(count);
  const handle = openSync(file, "r");
  try {
    readSync(handle, values, 0, 2 * count, 2 * first);
  } finally {
    closeSync(handle);
  }
  return values;
}

/** Rounds to bf16, to the nearest even. */
export function toBf16(values: Float32Array, out: Uint16Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    out[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
}

export function fromBf16(values: Uint16Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < values.length; i++) bits[i] = values[i]! << 16;
}
