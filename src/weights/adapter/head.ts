import type { Checkpoint, ConfigSource, StoredTensor } from "../checkpoint.ts";
import type { SafeTensor } from "../safetensors/header.ts";
import { readFloats } from "../safetensors/read.ts";
import type { Lora } from "./lora.ts";
import { adapted } from "./lora.ts";
import { doesNotFit, isMissing } from "./lora-layers.ts";

/**
 * Modules that an adapter may replace: in an encoder, the modules between its hidden states and its scores; in a
 * decoder, the head and the token table.
 */
export interface HeadModules {
  readonly all: readonly string[];
  /** A classifier's last module, whose outputs are the scores. */
  readonly output?: string;
}

/**
 * A checkpoint with an adapter's trained head (PEFT's `modules_to_save`) instead of its own. If it has no head of its
 * own, it becomes a classifier with as many labels as the head has outputs.
 */
export function withHead(base: Checkpoint, lora: Lora, { output }: HeadModules): Checkpoint {
  const own = new Map([...lora.head].map(([name, tensor]) => [nameIn(base.tensors, name), tensor]));
  if (own.size === 0) return base;
  if (output === undefined) requireSame(base, lora, own);
  const scores = output === undefined ? undefined : lora.head.get(`${output}.weight`);
  return {
    ...adapted(base, lora),
    config: scores ? classifying(base.config, scores, lora.record?.labels) : base.config,
    tensors: new Map<string, StoredTensor>([
      ...base.tensors,
      ...[...own].map(([name, t]) => [name, { ...t, name }] as const),
    ]),
    floats(tensor, rows) {
      const saved = own.get(tensor.name);
      return saved ? readFloats(saved, rows) : base.floats(tensor, rows);
    },
  };
}

/** @throws UserError if a decoder's saved module is not in the base, such as a tied head, or has another shape */
function requireSame({ tensors, path }: Checkpoint, lora: Lora, own: ReadonlyMap<string, SafeTensor>): void {
  const problems = [...own].flatMap(([name, { shape }]) => {
    const has = tensors.get(name)?.shape;
    if (!has) return [isMissing(name)];
    return has.join() === shape.join() ? [] : [`${name} is [${has.join(", ")}], the adapter's [${shape.join(", ")}]`];
  });
  if (problems.length > 0) throw doesNotFit(lora, path, problems);
}

/** A base checkpoint may leave out the outermost module's name. */
function nameIn(tensors: Checkpoint["tensors"], name: string): string {
  const inner = name.replace(/^[^.]+\./, "");
  return !tensors.has(name) && tensors.has(inner) ? inner : name;
}

/** The classifier's fields of config.json. Without `own` label names, the base's are kept if their number matches. */
function classifying(
  source: ConfigSource,
  { shape: [labels = 0] }: SafeTensor,
  own: readonly string[] | undefined,
): ConfigSource {
  if (source.kind === "gguf") return source;
  const named = own ? { ...own } : (source.config.id2label as Record<string, unknown> | null | undefined);
  const isSame = Object.keys(named ?? {}).length === labels;
  const id2label = isSame ? named : Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `LABEL_${i}`]));
  return { ...source, config: { ...source.config, architectures: ["ForSequenceClassification"], id2label } };
}
