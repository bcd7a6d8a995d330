import { priceOfLengths } from "../../library/dense-price.ts";
import type { Facts, Resources } from "../../pipelines/pipeline.ts";
import type { Call } from "../http/endpoint.ts";
import type { Chosen } from "../models/served.ts";
import { leaseFor, type ServerContext } from "../server-context.ts";
import { PooledModel, type Purse } from "./pooled-model.ts";

/** The models of one answer, each in the pool while a call of it runs. */
export class PooledResources implements Resources {
  readonly #facts = new Map<string, Promise<Facts>>();

  constructor(
    private readonly context: ServerContext,
    private readonly chosen: Readonly<Record<string, Chosen>>,
    private readonly purse: Purse,
    private readonly call: Call,
  ) {}

  facts(role: string): Promise<Facts> {
    const facts = this.#facts.get(role) ?? this.#factsOf(this.chosen[role]!);
    this.#facts.set(role, facts);
    return facts;
  }

  async #factsOf(chosen: Chosen): Promise<Facts> {
    using lease = await leaseFor(this.context, chosen, this.call);
    const { language } = lease.model;
    return { tokenizer: language.tokenizer, price: (lengths) => priceOfLengths(language, lengths) };
  }

  generate: Resources["generate"] = (role, prompt, options) => {
    const chosen = this.chosen[role]!;
    const identity = { name: chosen.served.id, recipe: [], quant: "auto" };
    return new PooledModel(this.context, chosen, identity, this.purse, this.call).generate(prompt, options);
  };
}
