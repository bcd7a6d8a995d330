import { unknown } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import { type KindName, kindOf, kinds, knownKind } from "../kinds/index.ts";
import type { Shape } from "../kinds/kind.ts";

export type { AnswerLengths, Shape } from "../kinds/kind.ts";

/** The shape in a `config.json`; `path` names it in errors. @throws UserError if the architecture is not supported */
export async function shapeOf(config: JsonObject, path: string): Promise<Shape> {
  const architecture = config["model_type"];
  if (typeof architecture !== "string")
    throw new UserError(`${path}: "model_type" is ${JSON.stringify(architecture) ?? "missing"}, expected a name`);
  const checkpoint = withoutWeights(config, path, architecture);
  const kind = await kindOf(checkpoint);
  const { shape } = await kind.load();
  if (shape) return shape(checkpoint);
  const all = await Promise.all(kinds.map(async ({ name, load }) => ((await load()).shape ? [name] : [])));
  throw new UserError(
    `${path} is of the kind "${kind.name}", expected the configuration of a ${all.flat().join(" or ")}`,
  );
}

/** The shape of a model's file, without loading it; undefined if its kind has no shape. */
export async function shapeOfFile(path: string): Promise<Shape | undefined> {
  const checkpoint = openCheckpoint(path);
  return (await (await kindOf(checkpoint)).load()).shape?.(checkpoint);
}

/** The kind of a model's file, without loading it. @throws UserError if the kind is unknown */
export function kindOfFile(path: string): KindName {
  const checkpoint = openCheckpoint(path);
  const kind = knownKind(checkpoint);
  if (kind) return kind.name;
  throw unknown(checkpoint);
}

/** A checkpoint with a configuration only, to trace and price graphs. */
export function withoutWeights(config: JsonObject, path: string, architecture: string): Checkpoint {
  const read = (): never => {
    throw new Error(`${path} has no weights`);
  };
  const source = { kind: "huggingface", path, config } as const;
  return {
    path,
    files: [],
    config: source,
    architecture,
    tensors: new Map(),
    form: () => undefined,
    floats: read,
    blocks: read,
  };
}
