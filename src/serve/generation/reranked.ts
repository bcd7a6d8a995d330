import type { NamedRank } from "../../pipelines/rank-pipeline.ts";
import { rankPipelines } from "../../pipelines/registry.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { leastOf } from "../keys/terms.ts";
import type { ModelChoice } from "../models/served.ts";
import { billFor, type ServerContext } from "../server-context.ts";
import type { Naming } from "./naming.ts";
import { Purse } from "./pooled-model.ts";
import { PooledResources } from "./pooled-resources.ts";

const fields = Object.fromEntries(rankPipelines.flatMap(({ fields }) => Object.entries(fields)));

/** The request fields for reranking that only pipelines support. */
export const rankShape = Object.fromEntries(
  Object.entries(fields).map(([name, { schema }]) => [name, schema]),
) as Record<never, never>;

type RankRequest = Naming & { readonly max_flops?: number | null | undefined };

/** The fields of `rankShape` that a request sets. */
export const rankFieldsIn = (input: object): [name: string, value: unknown][] =>
  Object.entries(input).filter(([name, value]) => name in fields && value !== undefined && value !== null);

/** Ranks texts with a pipeline; the scores are in the order of the texts. @throws HttpError, UserError */
export async function rerankBy(
  context: ServerContext,
  reranker: NamedRank,
  call: Call,
  input: RankRequest,
  list: { readonly query: string; readonly documents: readonly string[] },
) {
  const { catalogue, log } = context;
  const { pipeline } = reranker;
  const named = pipeline.under(
    reranker,
    Object.fromEntries(rankFieldsIn(input).map(([name, value]) => [fields[name]!.option, value])),
  );
  const chosen = await chooseModels(context, named, input);
  const main = chosen[pipeline.dense]!;
  const hashOf = (role: string) => catalogue.hashOf(chosen[role]!.served.source);
  const { adapter, notice, ...prepared } = await pipeline.prepare(named, hashOf);
  if (notice !== undefined && catalogue.isNew(notice)) log.warn(notice);
  using bill = billFor(context, main.served.id, call);
  const request = {
    ...{ named, chosen: { ...chosen, [pipeline.dense]: { ...main, ownAdapter: adapter } }, call },
    posted: { path: "/v1/rerank", input: input as JsonObject },
  };
  const ceiling = leastOf(input.max_flops, call.key?.terms.maxFlops);
  const terms = { ...bill.terms, signal: call.signal, ceiling };
  const resources = new PooledResources(context, request, new Purse(undefined));
  const { scores, receipt } = await pipeline.rank(named, resources, { ...list, ...terms }, prepared);
  bill.add(receipt);
  return { scores, receipt: bill.close("stop") };
}

/** Chooses the model for each role. @throws HttpError 400, 404 */
async function chooseModels(
  { catalogue }: ServerContext,
  named: NamedRank,
  { savings, keep_alive, ...input }: RankRequest,
): Promise<Record<string, ModelChoice>> {
  const chosen: Record<string, ModelChoice> = {};
  const { dense } = named.pipeline;
  chosen[dense] = await catalogue.choose({ model: named.roles[dense]!, savings, keep_alive });
  for (const [role, model] of Object.entries(named.roles))
    chosen[role] ??= await catalogue.choose({ model, keep_alive }).catch((error) => {
      if (!(error instanceof HttpError)) throw error;
      const [sentence, isWrong] = named.pipeline.missing(named, role, error.message);
      const [param = "model"] = rankFieldsIn(input).find(([, value]) => value === model) ?? [];
      throw new HttpError(isWrong ? 400 : error.status, sentence, { param });
    });
  return chosen;
}
