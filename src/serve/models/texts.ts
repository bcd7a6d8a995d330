import { textPipelineNamed, textPipelines } from "../../pipelines/registry.ts";
import type { NamedText } from "../../pipelines/text-pipeline.ts";
import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";
import { configuredOr, inModel, pipelinesIn } from "./names.ts";

/** The text pipelines among a server's models. */
export class Texts {
  readonly all: readonly NamedText[];

  /** @throws UserError for an invalid or repeated name */
  constructor(specs: readonly string[]) {
    this.all = pipelinesIn(specs, textPipelineNamed);
    if (new Set(this.all.map(({ name }) => name)).size === this.all.length) return;
    const { name, pipeline } = this.all.find((named, i) => this.all.findIndex((one) => one.name === named.name) < i)!;
    throw new UserError(`two ${pipeline.serving?.noun ?? pipeline.name}s are named "${name}"`, 2);
  }

  /** A name without options selects the pipeline named at startup. @throws HttpError 400, 404 */
  find(model: string): NamedText | undefined {
    return configuredOr(model, this.all, textPipelineNamed) ?? inModel(() => this.#aliased(model));
  }

  /** The server's only pipeline of the kind that the alias `model` selects, with the alias's options. */
  #aliased(model: string): NamedText | undefined {
    for (const pipeline of textPipelines) {
      const { serving } = pipeline;
      const optionText = serving?.alias(model);
      if (optionText === undefined) continue;
      const { noun, form } = serving!;
      const [only, ...others] = this.all.filter((named) => named.pipeline === pipeline);
      if (only && others.length === 0) return { ...only, optionText };
      if (only) {
        const count = others.length + 1;
        const message = `${model} is for a server with one ${noun}, and this one has ${count}; name the ${noun}: ${only.name}@${optionText}`;
        throw new HttpError(400, message, { param: "model" });
      }
      const message = `${model} is for a server that has a ${noun}, such as --model "${form}"; this one has none`;
      throw new HttpError(404, message, { param: "model", code: "model_not_found" });
    }
    return undefined;
  }
}
