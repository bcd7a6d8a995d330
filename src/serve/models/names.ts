import path from "node:path";
import type { ModelsPipeline, NamedPipeline } from "../../pipelines/pipeline.ts";
import { rolesIn } from "../../pipelines/registry.ts";
import { nearest, UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";
import { isRegisteredName } from "../keys/terms.ts";

/** The models to open: single models, then pipelines' other models. @throws UserError for an invalid pipeline name */
export function withoutPipelines(specs: readonly string[], elsewhere: readonly string[]): string[] {
  const alone = specs.filter((spec) => !rolesIn(spec));
  const known = new Set([...elsewhere, ...alone.map((spec) => named(spec).id)]);
  const inside = specs.flatMap((spec) => Object.values(rolesIn(spec) ?? {}).map(withoutRecipe));
  return [...alone, ...new Set(inside.filter((model) => !known.has(named(model).id)))];
}

/** Parses `name=MODEL`, or a MODEL named by itself or by the last part of its path. */
export function named(spec: string): { id: string; model: string } {
  const [, id, model] = /^([\w.:-]+)=(.+)$/.exec(spec) ?? [];
  if (id !== undefined && model !== undefined) return { id, model };
  const isPath = /[/\\]|\.(gguf|safetensors|onnx)$/i.test(spec) && !/^[a-z]{2,}:/.test(spec);
  return { id: isPath ? path.basename(spec).replace(/\.(gguf|safetensors|onnx)$/i, "") : spec, model: spec };
}

/** The pipelines among a server's models, by the names that requests use. @throws UserError for an invalid name */
export const pipelinesIn = <N extends NamedPipeline<ModelsPipeline>>(
  specs: readonly string[],
  read: (spec: string) => N | undefined,
): N[] =>
  specs.flatMap((spec) => {
    const parsed = read(spec);
    if (!parsed) return [];
    const roles = Object.fromEntries(Object.entries(parsed.roles).map(([role, model]) => [role, named(model).id]));
    return [{ ...parsed, roles, name: parsed.pipeline.nameOf(roles) }];
  });

/**
 * A name without options selects the pipeline named at startup. @throws HttpError 400 that names the option
 */
export function configuredOr<N extends NamedPipeline>(
  model: string,
  configured: readonly N[],
  read: (model: string) => N | undefined,
): N | undefined {
  const parsed = inModel(() => read(model));
  if (parsed?.optionText !== "") return parsed;
  return { ...(configured.find(({ name }) => name === parsed.name) ?? parsed), byDefault: true };
}

/** @throws HttpError 400 for an invalid name */
export function inModel<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof UserError ? new HttpError(400, error.message, { param: "model" }) : error;
  }
}

const withoutRecipe = (model: string): string =>
  isRegisteredName(model) ? model.slice(0, model.lastIndexOf("@")) : model;

/** Splits a registered name at its last @. */
export const atLast = (name: string): [string, string] => [
  name.slice(0, Math.max(0, name.lastIndexOf("@"))),
  name.slice(name.lastIndexOf("@") + 1),
];

export const ADAPTER =
  "is an adapter, which only /v1/chat/completions, /v1/completions and /v1/responses take; expected a model";

export const notOneModel = (name: string, kind: string): string =>
  `${name.slice(0, 100)} is ${kind}, which only POST /v1/chat/completions takes; expected one model`;

export function unnamed(names: readonly string[]): HttpError {
  const message = `model: expected one of ${names.slice(0, 10).join(", ")}, got nothing`;
  return new HttpError(400, message, { param: "model" });
}

export function unknown(name: string, names: readonly string[]): HttpError {
  const near = nearest(name, names);
  const hint = near ? `did you mean "${near}"?` : `there are: ${names.slice(0, 10).join(", ")}`;
  const message = `no model is called "${name.slice(0, 100)}" here; ${hint}`;
  return new HttpError(404, message, { param: "model", code: "model_not_found" });
}
