import { suggest, UserError } from "../../util/errors.ts";
import { USUAL_TARGETS } from "../options.ts";
import { withoutLayer } from "./trainable.ts";

/** Matches names separated by commas; anything else is a regular expression. */
const NAMES = /^[\w.\-,\s]*$/;

/**
 * The matrices that get LoRA layers, written like PEFT's `target_modules`: names, name endings after a dot, or a
 * regular expression for whole names. Names are either Hugging Face's or canonical.
 */
export class LoraTargets {
  readonly #unmatched: Set<string>;
  readonly #tests: ReadonlyMap<string, (name: string) => boolean>;
  readonly #seen = new Set<string>();

  /** @throws UserError for an invalid expression */
  constructor(private readonly targets: string) {
    const texts = NAMES.test(targets) ? targets.split(",").map((name) => name.trim()) : [targets];
    this.#tests = new Map(texts.map((text) => [text, NAMES.test(text) ? endsWith(text) : matches(text)]));
    this.#unmatched = new Set(texts);
  }

  /** True if a target matches one of a matrix's full names. */
  include(names: readonly string[]): boolean {
    for (const name of names) this.#seen.add(shortName(name));
    const found = [...this.#tests].filter(([, test]) => names.some(test));
    for (const [text] of found) this.#unmatched.delete(text);
    return found.length > 0;
  }

  /** @throws UserError if a target names no matrix; call it after tracing everything */
  check(): void {
    const [unknown] = this.#unmatched;
    if (unknown === undefined) return;
    const [problem, hint] = NAMES.test(unknown)
      ? [`no matrix is named "${unknown}"`, suggest(unknown, this.#seen)]
      : [`"${this.targets}" matches no matrix's whole name`, ""];
    throw new UserError(`lora: ${problem}${hint} (there are ${[...this.#seen].join(", ")})`, 2);
  }
}

/** More layers than any model has. */
const LAYERS = Array.from({ length: 512 }, (_, layer) => layer);

/** The targets, or `attn_qkv` in place of the default ones if the model computes queries, keys and values together. */
export function usualTargets(targets: string, has: (name: string) => boolean): string {
  const some = (matrix: string) => LAYERS.some((layer) => has(`blk.${layer}.${matrix}.weight`));
  return targets === USUAL_TARGETS && !some("attn_q") && some("attn_qkv") ? "attn_qkv" : targets;
}

/** The part of a name that is the same in all layers. */
const shortName = (name: string): string => (name.startsWith("blk.") ? withoutLayer(name) : name.split(".").at(-1)!);

const endsWith = (text: string) => (name: string) => name === text || name.endsWith(`.${text}`);

function matches(pattern: string): (name: string) => boolean {
  try {
    const whole = new RegExp(`^(?:${pattern})$`);
    return (name) => whole.test(name);
  } catch {
    throw new UserError(`lora.targets: "${pattern}" is neither a regular expression nor a comma-separated list`, 2);
  }
}
