import type { Model, RunOptions } from "../../index.ts";
import { choiceUnder } from "../../library/certified-choice.ts";
import { factsOf } from "../../library/text-pipeline.ts";
import { type CalledModel, recordedForm } from "../../pipelines/model.ts";
import type { NamedPipeline } from "../../pipelines/pipeline.ts";
import type { Facts, HeldModel, Resources, TextIndex } from "../../pipelines/resources.ts";
import type { AnsweringPipeline } from "../../pipelines/text-pipeline.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Destination } from "../fleet/fleet.ts";
import { type EndpointRequest, RemoteModel } from "../fleet/remote-model.ts";
import type { Call } from "../http/endpoint.ts";
import { awaitsForm, formOfServed, type ModelChoice, quantOfServed } from "../models/served.ts";
import { leaseFor, type ServerContext } from "../server-context.ts";
import { PooledModel, type Purse } from "./pooled-model.ts";

/** A request that names a pipeline, and its models by role. A `Destination` is a model on other servers. */
export interface PipelineRequest<N extends NamedPipeline = NamedPipeline<AnsweringPipeline>> {
  readonly named: N;
  readonly chosen: Readonly<Record<string, ModelChoice | Destination>>;
  readonly index?: TextIndex | undefined;
  readonly call: Call;
  readonly posted: EndpointRequest;
  /** The result of the pipeline's `settings`. */
  readonly settings?: unknown;
}

/** The models of one answer, each leased from the pool while a call to it runs. */
export class PooledResources implements Resources {
  readonly index: Resources["index"];
  readonly #models: Readonly<Record<string, PooledModel | RemoteModel>>;
  readonly #facts = new Map<string, Promise<Facts>>();
  #inUse = false;

  constructor(
    private readonly context: ServerContext,
    private readonly request: PipelineRequest<NamedPipeline>,
    purse: Purse,
  ) {
    const { chosen, index, call, posted } = request;
    this.index = index && indexWithin(purse, index, context, call);
    this.#models = Object.fromEntries(
      Object.entries(chosen).map(([role, model]) => [
        role,
        isRemote(model)
          ? new RemoteModel(context, model, posted, call)
          : new PooledModel(context, model, purse, call, (held) =>
              this.#facts.set(role, Promise.resolve(factsOf(held))),
            ),
      ]),
    );
  }

  facts(role: string): Promise<Facts> {
    const facts = this.#facts.get(role) ?? this.#leased(role, factsOf);
    this.#facts.set(role, facts);
    return facts;
  }

  /** A role's tokenizer. A remote model's tokenizer is unknown and never needed, so a local model's stands in. */
  async tokenizer(role: string): Promise<Tokenizer> {
    const { chosen } = this.request;
    const here = isRemote(chosen[role]!) ? Object.keys(chosen).find((other) => !isRemote(chosen[other]!))! : role;
    return (await this.facts(here)).tokenizer;
  }

  async use<T>(role: string, work: (model: HeldModel, save: Recipe) => Promise<T>): Promise<T> {
    if (this.#inUse) throw new Error("a model is in use while another is requested: the request could wait for itself");
    this.#inUse = true;
    try {
      return await this.#leased(role, (model, { recipe }) => work(model, recipe));
    } finally {
      this.#inUse = false;
    }
  }

  generate: Resources["generate"] = (role, prompt, options) => {
    const model = this.#models[role]!;
    if (model instanceof PooledModel) return model.generate(prompt, options);
    if (typeof prompt === "function") throw new Error(`${role} runs on another server`);
    return model.generate(prompt, options);
  };

  async identity(role: string) {
    const [name, chosen] = [this.request.named.roles[role]!, this.request.chosen[role]!];
    if (isRemote(chosen)) return { name, recipe: [], quant: "auto" };
    const sha256 = await this.context.catalogue.hashOf(chosen.served.source);
    const recipe = chosen.recipe.map(({ text }) => text);
    return { name, sha256, quant: chosen.quant, recipe, ...recordedForm({ quant: quantOfServed(chosen) }) };
  }

  async form(role: string) {
    const chosen = this.request.chosen[role]!;
    if (isRemote(chosen)) return {};
    if (awaitsForm(chosen)) await this.facts(role);
    return formOfServed(chosen);
  }

  held(role: string, ...held: Parameters<NonNullable<CalledModel<RunOptions>["held"]>>): number {
    const model: CalledModel<RunOptions> = this.#models[role]!;
    return model.held?.(...held) ?? 0;
  }

  price: Resources["price"] = async (role, ...priced) => this.#models[role]!.price(...priced);

  choice: Resources["choice"] = async (role, certificate, request) => {
    const choice = await this.#leased(role, (model) => choiceUnder(certificate, model, request));
    if (choice.guarantee) this.context.pool.auditor?.passes(certificate.name);
    return choice;
  };

  notice(sentence: string): void {
    const { catalogue, log } = this.context;
    if (catalogue.isNew(sentence)) log.warn(sentence);
  }

  degraded(sentence: string, reason: string): void {
    const { name, pipeline } = this.request.named;
    const { serving }: Partial<AnsweringPipeline> = pipeline;
    this.context.log.warn({ [serving?.noun ?? "pipeline"]: name, reason }, sentence);
  }

  async #leased<T>(role: string, use: (model: Model, choice: ModelChoice) => T | Promise<T>): Promise<T> {
    const chosen = this.request.chosen[role]!;
    if (isRemote(chosen)) throw new Error(`${role} runs on another server`);
    using lease = await leaseFor(this.context, chosen, this.request.call);
    return await use(lease.model, chosen);
  }
}

export const isRemote = (chosen: ModelChoice | Destination): chosen is Destination => "remote" in chosen;

/** Limits an index's searches to the FLOPs left in `purse`. */
const indexWithin = (purse: Purse, index: TextIndex, { log }: ServerContext, { key }: Call): Resources["index"] => ({
  meanTerms: index.meanTerms,
  async search(query, options) {
    const response = await index.search(query, { ...options, key: key?.id, ceiling: { flops: purse.left } });
    if (response.results.length === 0) log.info({ index: index.name }, "a search found nothing");
    return response;
  },
});
