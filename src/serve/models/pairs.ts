import { pipelineNamed } from "../../pipelines/registry.ts";
import { isPairName, type PairName, parsePair, parseRouteOptions, parseRouter } from "../../pipelines/route/name.ts";
import { isPairCertificate } from "../../savings/auto/certificate.ts";
import { UserError } from "../../util/errors.ts";
import type { Destination } from "../fleet/fleet.ts";
import type { Naming } from "../generation/naming.ts";
import { HttpError } from "../http/errors.ts";
import { isRegisteredName } from "../keys/terms.ts";
import type { ServerContext } from "../server-context.ts";
import type { Chosen } from "./served.ts";

/** The two models of a request that names a pair. */
export interface ChosenPair {
  readonly named: PairName;
  readonly swift: Chosen;
  /** A destination runs on other servers. */
  readonly super: Chosen | Destination;
  /** False: a certificate is the server's default, so that what it was not tested on is dense's, not refused. */
  readonly strict: boolean;
}

/** The pairs that a server was started with, by name. */
export class Pairs {
  readonly #configured: ReadonlyMap<string, PairName>;

  /** @throws UserError if a pair is named twice */
  constructor(readonly all: readonly PairName[]) {
    this.#configured = new Map(all.map((pair) => [pair.name, pair]));
    if (this.#configured.size === all.length) return;
    const twice = all.find(({ name }, i) => all.findIndex((pair) => pair.name === name) < i)!;
    throw new UserError(`two pairs are named "${twice.name}"`, 2);
  }

  /** The pair that a request's model names; undefined if it names one model. @throws HttpError 400, 404 */
  find(model: string): PairName | undefined {
    try {
      const router = parseRouter(model);
      if (router) return this.#routed(model, `score=${router.score},t=${router.t}`);
      const pair = parsePair(model);
      return pair?.given === "" ? (this.#configured.get(pair.name) ?? pair) : pair;
    } catch (error) {
      throw error instanceof UserError ? new HttpError(400, error.message, { param: "model" }) : error;
    }
  }

  #routed(router: string, given: string): PairName {
    const [pair, ...others] = this.all;
    const details = { param: "model", code: "model_not_found" };
    if (!pair)
      throw new HttpError(
        404,
        `${router} is for a server that has a pair, such as --model "A>B"; this one has none`,
        details,
      );
    if (others.length === 0) return { ...pair, given, options: parseRouteOptions(given) };
    const message = `${router} is for a server of one pair, and this one has ${this.all.length}; name the pair: ${pair.name}@${given}`;
    throw new HttpError(400, message, { param: "model" });
  }
}

/** Reads the pairs among a server's models. `idOf` gives a model's name in requests. @throws UserError */
export function pairsIn(specs: readonly string[], idOf: (model: string) => string): PairName[] {
  return specs.filter(isPairName).map((spec) => {
    const pair = parsePair(spec)!;
    const [swift, strong] = [idOf(pair.swift), idOf(pair.super)];
    return { ...pair, swift, super: strong, name: `${swift}>${strong}` };
  });
}

/** The models that a pipeline needs, without the names of recipes; undefined for the name of one model. @throws UserError */
export const modelsIn = (spec: string): string[] | undefined =>
  pipelineNamed(spec)?.naming?.models(spec).map(withoutRecipe);

const withoutRecipe = (model: string): string =>
  isRegisteredName(model) ? model.slice(0, model.lastIndexOf("@")) : model;

/**
 * The models of a pair, if a request names one; `usual` holds the default savings of both.
 * @throws HttpError 400, 404
 */
export async function choosePair(
  { catalogue, fleet }: Pick<ServerContext, "catalogue" | "fleet">,
  asked: Naming,
  usual: readonly string[] = [],
): Promise<ChosenPair | undefined> {
  const found = catalogue.pair(await catalogue.pairRegistered(asked.model));
  if (!found) return undefined;
  const certificate = usual.find(isPairCertificate);
  const byDefault = !asked.savings && found.given === "" && certificate !== undefined;
  const named = underSavings(found, byDefault ? [certificate] : (asked.savings ?? []));
  if (fleet.find(named.swift)) {
    const message = `${named.swift} runs on other servers, which do not give its logits; the first model of a pair has to run here`;
    throw new HttpError(400, message, { param: "model" });
  }
  const recipe = asked.savings ? [] : usual.filter((text) => text !== certificate);
  const choose = (model: string) => catalogue.choose({ model, keep_alive: asked.keep_alive }, recipe);
  const strict = asked.model !== found.name || (asked.savings?.length ?? 0) > 0;
  const strong = fleet.find(named.super) ?? (await choose(named.super));
  return { named, swift: await choose(named.swift), super: strong, strict };
}

/** A pair under the only savings that it takes, a certificate's. @throws HttpError 400 for others */
function underSavings(pair: PairName, savings: readonly string[]): PairName {
  const [given] = savings;
  if (given === undefined) return pair;
  if (savings.length === 1 && given.startsWith("auto:")) return { ...pair, given, options: parseRouteOptions(given) };
  const message = "savings belong to one model, and a pair has two; name registered recipes in it, as A@fast>B";
  throw new HttpError(400, message, { param: "savings" });
}
