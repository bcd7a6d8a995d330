import { UserError } from "../../util/errors.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";

/**
 * A configuration's values, read by GGUF's key without the architecture's prefix (`embedding_length`) or by
 * config.json's key (`hidden_size`). If a format has no such key, the key is undefined and the fallback is used.
 * Missing and ill-typed values are UserErrors that name file and key.
 */
export class Fields {
  constructor(
    readonly source: ConfigSource,
    readonly architecture: string,
    /** The architecture's own keys in config.json, such as `n_embd` for `hidden_size`. */
    protected readonly keys: Readonly<Record<string, string>> = {},
    /** transformers' defaults for values missing from config.json, by the usual keys. */
    protected readonly defaults: Readonly<Record<string, number>> = {},
  ) {}

  /** The values of an object in config.json, with `usual` defaults; only the defaults, if the object is missing. */
  part(key: string, usual: Readonly<Record<string, unknown>> = {}): Fields {
    const { source } = this;
    const own = this.object(key);
    if (own === undefined || source.kind === "gguf") return this;
    const config = { ...usual, ...own };
    return new Fields({ ...source, config }, this.architecture, this.keys, this.defaults);
  }

  get gguf(): boolean {
    return this.source.kind === "gguf";
  }

  number(gguf: string | undefined, huggingface: string | undefined, fallback?: number): number {
    const { source } = this;
    if (source.kind === "gguf" && gguf !== undefined)
      return source.metadata.number(`${this.architecture}.${gguf}`, fallback);
    const key = source.kind === "gguf" ? undefined : huggingface;
    const value = (key === undefined ? undefined : this.value(key)) ?? fallback;
    if (typeof value === "number") return value;
    return this.refuse(key ?? gguf ?? huggingface!, value, "a number");
  }

  /** Like `number`; undefined if the value is absent. */
  optional(gguf: string | undefined, huggingface: string | undefined): number | undefined {
    return this.has(gguf, huggingface) ? this.number(gguf, huggingface) : undefined;
  }

  has(gguf: string | undefined, huggingface: string | undefined): boolean {
    const { source } = this;
    if (source.kind === "gguf") return gguf !== undefined && source.metadata.has(`${this.architecture}.${gguf}`);
    return huggingface !== undefined && this.value(huggingface) !== undefined;
  }

  /** A flag in config.json; `fallback` if the flag is absent, or for a GGUF. */
  flag(key: string, fallback = false): boolean {
    const value = this.value(key) ?? fallback;
    return typeof value === "boolean" ? value : this.refuse(key, value, "true or false");
  }

  /** A flag that both formats have. */
  truth(gguf: string, huggingface: string, fallback: boolean): boolean {
    const { source } = this;
    return source.kind === "gguf"
      ? source.metadata.boolean(`${this.architecture}.${gguf}`, fallback)
      : this.flag(huggingface, fallback);
  }

  /** A list in config.json, one value per layer; undefined if the list is absent, or for a GGUF. */
  list(key: string): readonly unknown[] | undefined {
    const value = this.value(key);
    return value === undefined || Array.isArray(value) ? value : this.refuse(key, value, "a list");
  }

  /** An object in config.json; undefined if the object is absent, or for a GGUF. */
  object(key: string): Readonly<Record<string, unknown>> | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    if (typeof value !== "object" || Array.isArray(value)) return this.refuse(key, value, "an object");
    return value as Record<string, unknown>;
  }

  /** A value in config.json, unchanged; null counts as absent. */
  value(key: string): unknown {
    if (this.source.kind === "gguf") return undefined;
    return this.source.config[this.keys[key] ?? key] ?? this.defaults[key];
  }

  /** Refuses a config.json whose `key` has an unsupported value; a missing key means the first value. */
  only(key: string, values: readonly (string | number | boolean)[]): void {
    const value = this.value(key);
    if (value !== undefined && !values.some((v) => v === value))
      this.refuse(key, value, `${values.map((v) => JSON.stringify(v)).join(" or ")}; nothing else is supported`);
  }

  refuse(key: string, value: unknown, expected: string): never {
    const actual = value === undefined ? "missing" : JSON.stringify(value);
    throw new UserError(`${this.source.path}: "${this.keys[key] ?? key}" is ${actual}, expected ${expected}`);
  }
}
