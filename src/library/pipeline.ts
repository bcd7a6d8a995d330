import type { Prompt } from "../engine/decode/language-model.ts";
import { textPipelineNamed } from "../pipelines/registry.ts";
import type { Resources } from "../pipelines/resources.ts";
import { checkRouteOptions, parseRouteOptions, type RouteInput, type RouteOptions } from "../pipelines/route/name.ts";
import type { Route } from "../pipelines/route/route.ts";
import { type PreparedRoute, prepared } from "../pipelines/route/rule.ts";
import type { NamedText } from "../pipelines/text-pipeline.ts";
import { UserError } from "../util/errors.ts";
import { checkArgument, modelName, pipelineOptions } from "./arguments.ts";
import type { Model } from "./model.ts";
import type { Chunk, Completion, RunOptions } from "./options.ts";
import { type OpenedPipeline, openNamed, spelledOut, type TextPipelineOptions } from "./text-pipeline.ts";

export interface PipelineOptions extends TextPipelineOptions {
  /** The route's options, besides those in its name: `{ share: 0.3 }`. */
  route?: RouteInput;
  /** File of a calibration that replaces the pair's own. */
  calibration?: string | undefined;
}

/** A model's chunk; the first and the last have the route. */
export type RoutedChunk = Chunk & { route?: Route };
export type RoutedCompletion = Completion & { route: Route };

/**
 * Opens a pipeline by its name: `smollm2>qwen2.5-coder@share=0.3` answers with the first model, or with the second if
 * the first one's logits say that the prompt is hard. Each name is a model, as for `load`, or a recipe. Missing models
 * are downloaded.
 * @throws UserError
 */
export async function openPipeline(name: string, options: PipelineOptions = {}): Promise<RoutePipeline> {
  const {
    route: more = {},
    calibration,
    quant,
    ...rest
  } = checkArgument("openPipeline's options", pipelineOptions, options);
  const named = textPipelineNamed(await spelledOut(checkArgument("openPipeline's name", modelName, name)));
  if (named?.pipeline.name !== "route")
    throw new UserError(
      `"${name}" is not a pipeline; expected two models, SWIFT>SUPER, such as smollm2>qwen2.5-coder`,
      2,
    );
  const chosen = merged(named, more);
  const prepare = (resources: Resources) => prepared(named, chosen, resources, calibration);
  return new RoutePipeline(await openNamed(named, { ...rest, ...(quant && { quant }) }, {}, prepare));
}

/** @throws UserError if an option is set both in the name and in `more` */
function merged({ optionText: text }: NamedText, more: RouteInput): RouteOptions {
  const options = parseRouteOptions(text);
  if (Object.keys(more).length === 0) return options;
  if (options.auto !== undefined) return checkRouteOptions({ auto: options.auto, ...more });
  const named = text === "" ? [] : text.split(",").map((part) => part.split("=") as [string, string]);
  const twice = named.find(([key]) => key in more);
  if (twice) throw new UserError(`route: ${twice[0]} is set twice: in the name and as an option`, 2);
  return checkRouteOptions({ ...Object.fromEntries(named), ...more });
}

/** Two loaded models and the rule that chooses between them. Dispose of it to free both. */
export class RoutePipeline implements Disposable {
  readonly kind = "route";
  readonly name: string;
  readonly models: { readonly swift: Model; readonly super: Model };

  constructor(private readonly opened: OpenedPipeline) {
    this.name = opened.name;
    this.models = opened.models as RoutePipeline["models"];
  }

  /** A request with a lower score goes to Super; undefined under a certificate, which chooses for each request. */
  get threshold(): number | undefined {
    const { rule } = this.opened.prepared as PreparedRoute;
    return "threshold" in rule ? rule.threshold : undefined;
  }

  /** Streams an answer; the model is chosen before the first chunk. @throws UserError as a model's `generate` does */
  generate(prompt: Prompt, options: RunOptions = {}): AsyncGenerator<RoutedChunk, void> {
    refuse(options);
    return this.#chunks(prompt, options);
  }

  async *#chunks(prompt: Prompt, options: RunOptions): AsyncGenerator<RoutedChunk, void> {
    for await (const { shown, ...chunk } of this.opened.generate(prompt, options))
      yield { ...chunk, ...(shown !== undefined && { route: shown as Route }) };
  }

  /** Returns the whole answer at once, so that Swift's answer can be used if Super fails midway. */
  async route(prompt: Prompt, options: RunOptions = {}): Promise<RoutedCompletion> {
    refuse(options);
    const { shown, ...completion } = await this.opened.complete(prompt, options);
    return { ...completion, route: shown as Route };
  }

  dispose(): void {
    this.opened.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws UserError for options that belong to one model, or leave no token of Swift's to score */
function refuse({ adapter, save, promptLogprobs, observe, maxTokens }: RunOptions): void {
  const one = Object.entries({ adapter, save, promptLogprobs, observe }).find(([, value]) => value !== undefined);
  if (one) throw new UserError(`${one[0]} belongs to one model, and a route has two`, 2);
  if (maxTokens === 0) throw new UserError("maxTokens: expected at least 1 for a route", 2);
}
