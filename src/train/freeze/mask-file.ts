import { createHash } from "node:crypto";
import { z } from "zod";
import { few, UserError } from "../../util/errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { readJson, sha256 } from "../../weights/json-file.ts";
import { guardOptions } from "../methods/guard/options.ts";

const tensor = z.strictObject({
  shape: z.array(z.int().min(1)),
  frozen: z.boolean(),
  /** The trained soft-mask value m; absent for masks that were not learned. */
  share: z.number().min(0).max(1).optional(),
});

const schema = z.strictObject({
  version: z.literal(1),
  model: z.strictObject({ name: z.string(), sha256 }),
  /** Absent if the mask was not learned. */
  learned: z.strictObject({ options: guardOptions, data: sha256 }).optional(),
  tensors: z.record(z.string(), tensor),
});

/** The tensors of a model that stay unchanged while others are fine-tuned. */
export type FreezeMask = z.output<typeof schema>;

/** A tensor of a model, with its values in float32. */
export interface ModelTensor {
  readonly name: string;
  readonly shape: readonly number[];
  values(): Float32Array;
}

/** The SHA-256 of the tensors' names, shapes and values, independent of their order. */
function tensorsHash(tensors: readonly ModelTensor[]): string {
  const hash = createHash("sha256");
  for (const { name, shape, values } of tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const floats = values();
    hash.update(`${name}:${shape.join()}\0`);
    hash.update(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));
  }
  return hash.digest("hex");
}

/** @throws UserError if writing fails */
export const writeMask = (file: string, mask: FreezeMask): Promise<void> => writeJson(file, mask);

/** @throws UserError for a file that is not a mask */
export const readMask = (file: string): FreezeMask => readJson(file, schema, "a mask of frozen tensors");

/** Checks that the mask in `file` belongs to a model. @throws UserError */
export function checkMask(file: string, { model, tensors }: FreezeMask, own: readonly ModelTensor[]): void {
  const names = new Map(own.map((t) => [t.name, t]));
  const missing = Object.keys(tensors).filter((name) => !names.has(name));
  const more = own.filter(({ name }) => !Object.hasOwn(tensors, name)).map(({ name }) => name);
  if (missing.length + more.length > 0)
    throw new UserError(
      `${file}: the mask, made for ${model.name}, does not fit this model: only one of them has ${few([...missing, ...more])}`,
    );
  const other = own.find(({ name, shape }) => tensors[name]!.shape.join() !== shape.join());
  if (other)
    throw new UserError(
      `${file}: "${other.name}" is [${tensors[other.name]!.shape.join(", ")}] in the mask and [${other.shape.join(", ")}] in the model`,
    );
  const hash = tensorsHash(own);
  if (hash !== model.sha256)
    throw new UserError(
      `${file}: the mask is for a ${model.name} whose tensors have SHA-256 ${model.sha256.slice(0, 12)}…; this model's have ${hash.slice(0, 12)}…`,
    );
}

/** Makes a mask that freezes the tensors for which `frozen` returns true. */
export const maskOf = (
  name: string,
  own: readonly ModelTensor[],
  frozen: (name: string) => boolean,
  learned?: FreezeMask["learned"] & { readonly shares: ReadonlyMap<string, number> },
): FreezeMask => ({
  version: 1,
  model: { name, sha256: tensorsHash(own) },
  ...(learned && { learned: { options: learned.options, data: learned.data } }),
  tensors: Object.fromEntries(
    own.map((t) => [
      t.name,
      { shape: [...t.shape], frozen: frozen(t.name), ...(learned && { share: learned.shares.get(t.name)! }) },
    ]),
  ),
});

/** The fraction of tensors, and the fraction of parameters, that a mask freezes. */
export function ratiosOf({ tensors }: FreezeMask): { readonly tensors: number; readonly parameters: number } {
  const sizes = Object.values(tensors).map((t) => ({ ...t, size: t.shape.reduce((a, b) => a * b, 1) }));
  const frozen = sizes.filter((t) => t.frozen);
  const total = (of: readonly { readonly size: number }[]) => of.reduce((sum, { size }) => sum + size, 0);
  return { tensors: frozen.length / sizes.length, parameters: total(frozen) / total(sizes) };
}
