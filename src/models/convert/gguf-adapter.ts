import { UserError } from "../../util/errors.ts";
import { type Lora, refuseDora } from "../../weights/adapter/lora.ts";
import { doesNotFit, isMissing, type Layout } from "../../weights/adapter/lora-layers.ts";
import type { Update } from "../../weights/adapter/updates.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Field } from "../../weights/gguf/fields.ts";
import type { WritableGguf } from "../../weights/gguf/write.ts";
import type { WritableTensor } from "../../weights/safetensors/write.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { layoutOf } from "../tensors/adapter-layout.ts";
import { modelTensors } from "./model-tensors.ts";
import { gathered } from "./permuted.ts";
import { architecturesOf, ggufSettings } from "./to-gguf.ts";

/**
 * A LoRA adapter in llama.cpp's format for its base's GGUF: factors under the tensors' names, in float32, and one alpha.
 * @throws UserError if it does not fit the base, or changes the token table
 */
export async function ggufAdapter(base: Checkpoint, lora: Lora, name: string): Promise<WritableGguf> {
  refuseDora(lora, "llama.cpp's adapters cannot hold it");
  const { pair, own, gguf } = await architecturesOf(base);
  const { config: source } = base;
  const { decoder, tensors } = modelTensors(source.kind === "gguf" ? gguf : own, base);
  const before = decoder.config as TransformerConfig;
  const { config, read } =
    source.kind === "gguf"
      ? { config: source, read: before }
      : ggufSettings({ ...base, config: source }, { before, has: (name) => tensors.has(name) }, pair, own, gguf);
  const layout = layoutOf({ config }, gguf, { config: read });
  const places = placesOf(tensors, (canonical) => own.modules(canonical, source));
  refuseTables(lora, tensors.has("output.weight"));
  const problems = [...lora.updates].flatMap(([module, update]) => problemOf(module, update, places.get(module)) ?? []);
  if (problems.length > 0) throw doesNotFit(lora, base.path, problems);
  const alpha = alphaOf([...lora.updates.values()][0]!);
  const factors = [...lora.updates].flatMap(([module, update]) =>
    factorsOf(places.get(module)!.name, update, alpha, layout),
  );
  const metadata: [string, Field][] = [
    ["general.architecture", ["string", pair.gguf]],
    ["general.type", ["string", "adapter"]],
    ["general.name", ["string", name]],
    ["general.file_type", ["uint32", 0]],
    ["general.quantization_version", ["uint32", 2]],
    ["adapter.type", ["string", "lora"]],
    ["adapter.lora.alpha", ["float32", alpha]],
  ];
  return {
    metadata: new Map(metadata),
    tensors: new Map(factors.map(([key, tensor]) => [key, { ...tensor, type: "F32" }])),
  };
}

/** A matrix's canonical name, without `.weight`, and its shape [outputs, inputs]. */
interface Place {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Matrices, keyed by the names that PEFT may give their modules. */
function placesOf(
  tensors: ReadonlyMap<string, WritableTensor>,
  modules: (canonical: string) => readonly string[],
): Map<string, Place> {
  const matrices = [...tensors].filter(([canonical, { shape }]) => shape.length === 2 && canonical.endsWith(".weight"));
  return new Map(
    matrices.flatMap(([canonical, { shape }]) => {
      const name = canonical.replace(/\.weight$/, "");
      return modules(name).map((module) => [module, { name, shape }] as const);
    }),
  );
}

function problemOf(module: string, { outputs, inputs }: Update, place: Place | undefined): string | undefined {
  if (!place) return isMissing(module);
  if (place.shape.join() === `${outputs},${inputs}`) return undefined;
  return `${module} is [${place.shape.join(", ")}], the adapter's update [${outputs}, ${inputs}]`;
}

/** Refuses updates of the token table, which llama.cpp would also apply to a head tied to it. */
function refuseTables({ folder, updates, rows }: Lora, hasHead: boolean): void {
  const ofTable = [...updates].some(([module, { kind }]) => kind === "table" || (module === "lm_head" && !hasHead));
  if (!ofTable && rows.size === 0) return;
  throw new UserError(
    `${folder}: the adapter changes the token table, or the head tied to it, which llama.cpp's adapters cannot do`,
  );
}

/** llama.cpp multiplies by alpha / rank. */
const alphaOf = ({ scale, rank }: Update): number => scale * rank;

function factorsOf(name: string, update: Update, alpha: number, layout: Layout): [string, WritableTensor][] {
  const { rank, inputs, outputs } = update;
  // If a module has a separate alpha, folds it into the module's factors.
  const share = alphaOf(update) / alpha;
  const up = {
    shape: [outputs, rank],
    values: () => (share === 1 ? update.b() : update.b().map((value) => value * share)),
  };
  return [
    [`${name}.weight.lora_a`, { shape: [rank, inputs], values: () => update.a() }],
    [`${name}.weight.lora_b`, gathered(up, (row) => layout.row(name, row))],
  ];
}
