import type { NamedText } from "../../pipelines/pipeline.ts";
import { textPipelineNamed } from "../../pipelines/registry.ts";
import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";

/** Reads the pipelines that answer texts among a server's models. `idOf` gives a model's name in requests. @throws UserError */
export const textsIn = (specs: readonly string[], idOf: (model: string) => string): NamedText[] =>
  specs.flatMap((spec) => {
    const named = textPipelineNamed(spec);
    if (!named) return [];
    const roles = Object.fromEntries(Object.entries(named.roles).map(([role, model]) => [role, idOf(model)]));
    return [{ ...named, roles, name: named.pipeline.nameOf(roles) }];
  });

/** A name without options stands for the one that the server was started with. @throws HttpError 400 that names the option */
export function textNamed(model: string, configured: readonly NamedText[]): NamedText | undefined {
  try {
    const named = textPipelineNamed(model);
    return named?.given === "" ? (configured.find(({ name }) => name === named.name) ?? named) : named;
  } catch (error) {
    throw error instanceof UserError ? new HttpError(400, error.message, { param: "model" }) : error;
  }
}
