import { type FirstName, parseFirst } from "../../pipelines/first/options.ts";
import { UserError } from "../../util/errors.ts";
import type { Naming } from "../generation/naming.ts";
import { HttpError } from "../http/errors.ts";
import type { ServerContext } from "../server-context.ts";
import type { Chosen } from "./served.ts";

/** The models of a request that names a listwise reranker. */
export interface ChosenRanker {
  readonly named: FirstName;
  readonly ranks: Chosen;
  /** The encoder for long lists. @throws HttpError 404 if the server does not offer it */
  presorts(): Promise<Chosen>;
}

/** The reranker that a request names; undefined if it names a model. @throws HttpError 400, 404 */
export async function chooseRanker(
  { catalogue }: Pick<ServerContext, "catalogue">,
  asked: Naming,
): Promise<ChosenRanker | undefined> {
  const named = catalogue.ranker(asked.model);
  if (!named) return undefined;
  const ranks = await catalogue.choose({ ...asked, model: named.model });
  const presorts = () => catalogue.choose({ model: named.options.presort, keep_alive: asked.keep_alive });
  return { named, ranks, presorts };
}

/** @throws HttpError 400 that names the option */
export function rankerNamed(model: string): FirstName | undefined {
  try {
    return parseFirst(model);
  } catch (error) {
    throw error instanceof UserError ? new HttpError(400, error.message, { param: "model" }) : error;
  }
}
