import {
  type FirstInput,
  type FirstName,
  isFirstName,
  notPresort,
  parseFirst,
  withOptions,
} from "../../pipelines/first/options.ts";
import { optionsWith, trainedFor } from "../../pipelines/first/trained.ts";
import { UserError } from "../../util/errors.ts";
import { aliases } from "../../weights/sources/aliases.ts";
import type { Naming } from "../generation/naming.ts";
import { HttpError } from "../http/errors.ts";
import type { ServerContext } from "../server-context.ts";
import type { Chosen } from "./served.ts";

/** The models of a request that names a listwise reranker. */
export interface ChosenRanker {
  readonly named: FirstName;
  readonly ranks: Chosen;
  /** The encoder, if one presorts. @throws HttpError 400 if it is no model, 404 if the server does not offer it */
  presorts(): Promise<Chosen>;
  /** Of the adapter that comes with the model. */
  readonly notice: string | undefined;
}

/**
 * The reranker that a request names, with the adapter that comes with its model; undefined if it names a model. `more`
 * are options beside the name.
 * @throws HttpError 400, 404
 */
export async function chooseRanker(
  { catalogue }: Pick<ServerContext, "catalogue">,
  asked: Naming,
  more: FirstInput = {},
): Promise<ChosenRanker | undefined> {
  const found = catalogue.ranker(asked.model);
  if (!found) return undefined;
  const named = withOptions(found, more);
  const ranks = await catalogue.choose({ ...asked, model: named.model });
  const trained = trainedFor(await catalogue.hashOf(ranks.served.source), named.options);
  const options = optionsWith(named, trained);
  const presorts = () =>
    catalogue.choose({ model: options.presort, keep_alive: asked.keep_alive }).catch((error) => {
      throw refused(error, named, more.presort === undefined ? "model" : "presort");
    });
  const own = { ...ranks, ownAdapter: trained?.folder };
  return { named: { ...named, options }, ranks: own, presorts, notice: trained?.notice };
}

/** Why no encoder presorts; `param` is the field that names it. */
function refused(error: unknown, { name, options: { presort } }: FirstName, param: string): unknown {
  if (!(error instanceof HttpError)) return error;
  if (!Object.hasOwn(aliases, presort)) return new HttpError(400, notPresort(presort), { param });
  const message = `${name} presorts by an encoder, and ${error.message}; presort=bm25 needs none`;
  return new HttpError(error.status, message, { param });
}

/** Reads the rerankers among a server's models. `idOf` gives a model's name in requests. @throws UserError */
export const rankersIn = (specs: readonly string[], idOf: (model: string) => string): FirstName[] =>
  specs.filter(isFirstName).map((spec) => {
    const named = parseFirst(spec)!;
    const model = idOf(named.model);
    return { ...named, model, name: `${model}+first` };
  });

/** A name without options stands for the one that the server was started with. @throws HttpError 400 that names the option */
export function rankerNamed(model: string, configured: readonly FirstName[]): FirstName | undefined {
  try {
    const named = parseFirst(model);
    return named?.given === "" ? (configured.find(({ name }) => name === named.name) ?? named) : named;
  } catch (error) {
    throw error instanceof UserError ? new HttpError(400, error.message, { param: "model" }) : error;
  }
}
