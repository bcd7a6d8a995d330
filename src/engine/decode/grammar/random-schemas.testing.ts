import type { Schema } from "./keywords.ts";

type Random = () => number;

/** A schema, and values that match it, with members in the schema's order and no others. */
export interface SchemaSample {
  readonly schema: Schema;
  value(): unknown;
}

/** Strings with characters that JSON and patterns treat specially. */
const TEXTS = ["", "a", "b", "ab", 'a"b', "\\", "é\n", "日本", "x/y~z", "😀", "</a>", "0"];
const NAMES = ["a", "ab", "b", 'q"', "\\n", "é", "long name", "0"];
const PATTERNS: readonly (readonly [string, readonly string[]])[] = [
  ["^[a-c]{1,3}$", ["a", "bca"]],
  ["b", ["b", "abc", 'x"b\\']],
  ["^(x|yz)*$", ["", "xyz", "yzyz"]],
  ["^\\d+(\\.\\d+)?$", ["7", "10.25"]],
  ['^[^"]?.$', ["a", "ab", 'a"']],
];
const FORMATS: readonly (readonly [string, string])[] = [
  ["date", "2024-02-28"],
  ["time", "23:59:00Z"],
  ["email", "a_b@x-1.org"],
  ["ipv4", "10.0.255.1"],
  ["uuid", "0f8fad5b-d9cb-469f-a165-70867728950e"],
];

/** Draws schemas of the supported subset. */
export class RandomSchemas {
  #defs: Record<string, Schema> = {};

  constructor(private readonly random: Random) {}

  draw(): SchemaSample {
    this.#defs = {};
    const { schema, value } = this.#drawn(3);
    return { schema: { $defs: this.#defs, ...(schema as object) }, value };
  }

  #drawn(depth: number): SchemaSample {
    const flat = [this.word, this.text, this.number, this.integer, this.some, this.formed];
    const deep = [this.object, this.map, this.list, this.tuple, this.any, this.typed, this.referred];
    return this.#one(depth > 0 && this.random() < 0.7 ? deep : flat).call(this, depth - 1);
  }

  private word(): SchemaSample {
    return this.#one([
      { schema: { type: "null" }, value: () => null },
      { schema: { type: "boolean" }, value: () => this.random() < 0.5 },
    ]);
  }

  private text(): SchemaSample {
    const [min, max] = this.#span(4);
    const value = () =>
      Array.from(`${this.#one(TEXTS)}zzzz`)
        .slice(0, Math.max(min, Math.min(max, 2)))
        .join("");
    return { schema: { type: "string", minLength: min, maxLength: max }, value };
  }

  private formed(): SchemaSample {
    const [pattern, texts] = this.#one(PATTERNS);
    const [format, text] = this.#one(FORMATS);
    if (this.random() < 0.5) return { schema: { type: "string", pattern }, value: () => this.#one(texts) };
    return { schema: { type: "string", format, ...(this.random() < 0.3 && { maxLength: 400 }) }, value: () => text };
  }

  private number(): SchemaSample {
    const [a, b] = [this.#bound(), this.#bound()].sort((x, y) => x - y) as [number, number];
    const [low, high] = [this.#one(["minimum", "exclusiveMinimum"]), this.#one(["maximum", "exclusiveMaximum"])];
    if (a === b) return { schema: { type: "number", minimum: a, maximum: a }, value: () => a };
    return { schema: { type: "number", [low]: a, [high]: b }, value: () => Number(((a + b) / 2).toFixed(4)) };
  }

  private integer(): SchemaSample {
    const low = Math.round(this.#bound());
    const high = low + Math.floor(this.random() * 200);
    const one = () => low + Math.floor(this.random() * (high - low + 1));
    return { schema: { type: this.#one(["integer", ["integer"]]), minimum: low, maximum: high }, value: one };
  }

  private some(): SchemaSample {
    const values = [this.#one(TEXTS), 1.5, null, { a: [1, this.#one(TEXTS)] }].slice(Math.floor(this.random() * 4));
    return { schema: { enum: values }, value: () => this.#one(values) };
  }

  private object(depth: number): SchemaSample {
    const drawn = new Map(this.#names().map((name) => [name, this.#drawn(depth)]));
    const names = [...drawn.keys()];
    const required = names.filter(() => this.random() < 0.5);
    const properties = Object.fromEntries(names.map((name) => [name, drawn.get(name)!.schema]));
    const more = this.#one([{ additionalProperties: false }, { additionalProperties: { type: "boolean" } }, {}]);
    const value = () => {
      const there = names.filter((name) => required.includes(name) || this.random() < 0.5);
      return Object.fromEntries(there.map((name) => [name, drawn.get(name)!.value()]));
    };
    return { schema: { type: "object", properties, required, ...more }, value };
  }

  private map(depth: number): SchemaSample {
    const inner = this.#drawn(depth);
    const keys = this.#one([true, { pattern: "^a?b?$" }, { enum: ["a", "b", 1] }, { anyOf: [{ minLength: 1 }, {}] }]);
    const value = () => (this.random() < 0.3 ? {} : { a: inner.value(), b: inner.value() });
    return { schema: { type: "object", propertyNames: keys, additionalProperties: inner.schema }, value };
  }

  private list(depth: number): SchemaSample {
    const inner = this.#drawn(depth);
    const [min, max] = this.#span(3);
    const value = () => Array.from({ length: min + Math.floor(this.random() * (max - min + 1)) }, () => inner.value());
    return { schema: { type: "array", items: inner.schema, minItems: min, maxItems: max }, value };
  }

  private tuple(depth: number): SchemaSample {
    const [first, second] = [this.#drawn(depth), this.#drawn(depth)];
    const rest = this.#one([{ items: false }, { unevaluatedItems: false }, { items: { type: "null" }, maxItems: 4 }]);
    const schema = { type: "array", prefixItems: [first.schema, second.schema], ...rest };
    return { schema, value: () => [first.value(), second.value()].slice(0, Math.floor(this.random() * 3)) };
  }

  private any(depth: number): SchemaSample {
    const parts = [this.#drawn(depth), this.#drawn(depth)];
    return { schema: { anyOf: parts.map(({ schema }) => schema) }, value: () => this.#one(parts).value() };
  }

  /** A type beside alternatives that have a different type, or no type. */
  private typed(): SchemaSample {
    const anyOf = [{ maximum: -3 }, { minimum: 3 }, { type: "string" }, true];
    return { schema: { type: "integer", anyOf: anyOf.slice(Math.floor(this.random() * 3)) }, value: () => 5 };
  }

  private referred(depth: number): SchemaSample {
    const inner = this.#drawn(depth);
    const name = `a/${Object.keys(this.#defs).length}~%é`;
    this.#defs[name] = inner.schema;
    const $ref = `#/$defs/${encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"))}`;
    return { schema: { $ref }, value: () => inner.value() };
  }

  #names(): string[] {
    return NAMES.filter(() => this.random() < 0.3);
  }

  #span(most: number): [number, number] {
    const min = Math.floor(this.random() * most);
    return [min, min + Math.floor(this.random() * most)];
  }

  #bound(): number {
    const size = 10 ** Math.floor(this.random() * 8 - 3);
    return Number(((this.random() - 0.5) * size).toPrecision(this.#one([1, 3, 17])));
  }

  #one<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!;
  }
}
