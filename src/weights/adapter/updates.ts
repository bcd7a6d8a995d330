import { few, UserError } from "../../util/errors.ts";
import type { SafeTensor } from "../safetensors/header.ts";
import { readFloats } from "../safetensors/read.ts";
import { isRows } from "./token-rows.ts";

/** A low-rank update (Hu et al. 2021) to a matrix [outputs, inputs]: + scale · B · A. */
export interface Update {
  /**
   * `matrix` if the module multiplies by the matrix; `table` if it looks up columns by token: `inputs` is then the
   * vocabulary size.
   */
  readonly kind: "matrix" | "table";
  readonly scale: number;
  readonly rank: number;
  readonly inputs: number;
  readonly outputs: number;
  /** [rank, inputs] */
  a(): Float32Array;
  /** [outputs, rank] */
  b(): Float32Array;
  /** DoRA (Liu et al. 2024): the norms of the updated matrix's rows, [outputs]; by default, the norms of the sum. */
  readonly magnitude?: (() => Float32Array) | undefined;
}

type Tensors = ReadonlyMap<string, SafeTensor>;

const PREFIX = "base_model.model.";
const FACTOR = /^base_model\.model\.(.+)\.lora_(embedding_)?([AB])(\.weight)?$/;
const MAGNITUDE = /^base_model\.model\.(.+)\.lora_magnitude_vector$/;
/** The unchanged weight of an updated table or head, which PEFT also saves. */
const COPY = /^base_model\.model\.(.+)\.base_layer\.weight$/;

/** Tensors of `modules` that the adapter stores in full, by name in the base's code. */
export function savedOf(tensors: Tensors, modules: readonly string[]): Map<string, SafeTensor> {
  const names = modules.flatMap((module) => [`${module}.weight`, `${module}.bias`]);
  return new Map(
    names.flatMap((name) => {
      const tensor = tensors.get(PREFIX + name);
      return tensor ? [[name, tensor]] : [];
    }),
  );
}

/**
 * The updates in an adapter's tensors, except `saved` modules, keyed by module; `scale` receives a module and its rank.
 * `dora` is true if each update has a magnitude.
 * @throws UserError if a tensor is missing or unknown
 */
export function updatesOf(
  file: string,
  tensors: Tensors,
  saved: Tensors,
  scale: (module: string, rank: number) => number,
  dora: boolean,
): Map<string, Update> {
  const modules = modulesOf(tensors);
  const isKnown = (name: string) =>
    isFactor(name) ||
    isRows(name) ||
    (dora && modules.has(MAGNITUDE.exec(name)?.[1] ?? "")) ||
    modules.has(COPY.exec(name)?.[1] ?? "") ||
    saved.has(name.slice(PREFIX.length));
  const others = [...tensors.keys()].filter((name) => !isKnown(name));
  if (others.length > 0) throw new UserError(`${file}: tensors that do not belong to a plain LoRA: ${few(others)}`);
  if (modules.size === 0) throw new UserError(`${file}: the adapter has no tensors`);
  return new Map(
    [...modules].map(([module, kind]) => [
      module,
      { ...updateOf(file, tensors, module, kind, scale), ...(dora && magnitudeOf(file, tensors, module, kind)) },
    ]),
  );
}

function isFactor(name: string): boolean {
  const [, , table, , weight] = FACTOR.exec(name) ?? [name, "", "", "", ""];
  return Boolean(table) !== Boolean(weight);
}

/** Every module that has a factor, with its kind. */
function modulesOf(tensors: Tensors): Map<string, Update["kind"]> {
  const matches = [...tensors.keys()].filter(isFactor).map((name) => FACTOR.exec(name)!);
  return new Map(matches.map(([, module, table]) => [module!, table ? "table" : "matrix"]));
}

function updateOf(
  file: string,
  tensors: Tensors,
  module: string,
  kind: Update["kind"],
  scale: (module: string, rank: number) => number,
): Update {
  const name = kind === "table" ? (part: string) => `lora_embedding_${part}` : (part: string) => `lora_${part}`;
  const factor = (part: string) => tensors.get(`${PREFIX}${module}.${name(part)}${kind === "table" ? "" : ".weight"}`);
  const [a, b] = [factor("A"), factor("B")];
  const where = `${file}: ${module}`;
  if (!a || !b) throw new UserError(`${where}: ${name(a ? "B" : "A")} is missing beside ${name(a ? "A" : "B")}`);
  const [rank, inputs] = a.shape as [number, number];
  const [outputs, inner] = b.shape as [number, number];
  if (a.shape.length !== 2 || b.shape.length !== 2 || rank !== inner || rank < 1)
    throw new UserError(
      `${where}: ${name("A")} is [${a.shape.join(", ")}] and ${name("B")} [${b.shape.join(", ")}], expected [rank, inputs] and [outputs, rank]`,
    );
  return { kind, scale: scale(module, rank), rank, inputs, outputs, a: () => readFloats(a), b: () => readFloats(b) };
}

/** @throws UserError if the magnitude is missing or misshapen, or the module looks up a table */
function magnitudeOf(file: string, tensors: Tensors, module: string, kind: Update["kind"]): Pick<Update, "magnitude"> {
  if (kind === "table") throw new UserError(`${file}: ${module}: DoRA of a token table is not supported`);
  const magnitude = tensors.get(`${PREFIX}${module}.lora_magnitude_vector`);
  const outputs = tensors.get(`${PREFIX}${module}.lora_B.weight`)?.shape[0];
  if (magnitude && outputs !== undefined && magnitude.shape.join() !== `${outputs}`)
    throw new UserError(
      `${file}: ${module}: lora_magnitude_vector is [${magnitude.shape.join(", ")}], expected [${outputs}]`,
    );
  if (!magnitude) throw new UserError(`${file}: ${module}: use_dora is set, but lora_magnitude_vector is missing`);
  return { magnitude: () => readFloats(magnitude) };
}
