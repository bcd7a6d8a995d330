import type { z } from "zod";
import { lookupGiven, lookupIn } from "../../library/lookup.ts";
import { type ContextualModel, ContextualScorer } from "../../pipelines/qzero/contextual.ts";
import { type LabelsInput, parseLabels } from "../../pipelines/qzero/labels.ts";
import { LookupPrices } from "../../pipelines/qzero/lookup-prices.ts";
import { qzeroText } from "../../pipelines/qzero/options.ts";
import { classify, type DocumentSource, type QZeroAnswer } from "../../pipelines/qzero/qzero.ts";
import type { Scorer } from "../../pipelines/qzero/scorer.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import { leastOf } from "../keys/terms.ts";
import { searchIn } from "../routes/search.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";
import { type evidenceField, qzeroOf, type retrievalField } from "./lookup-fields.ts";
import type { Naming } from "./naming.ts";

/** A request to classify by the categories of documents. */
interface LookupRequest extends Naming {
  readonly input: readonly string[];
  readonly labels?: LabelsInput | null | undefined;
  readonly retrieval?: z.output<typeof retrievalField> | null | undefined;
  readonly evidence?: z.output<ReturnType<typeof evidenceField>> | null | undefined;
  readonly explain?: boolean | null | undefined;
  readonly max_flops?: number | null | undefined;
}

/** Classifies texts by the categories of documents, of an index or of the request. @throws HttpError, UserError */
export async function classifyByLookup(context: ServerContext, asked: LookupRequest, call: Call): Promise<QZeroAnswer> {
  if (!asked.labels)
    throw new HttpError(400, "labels: a classification by lookup has no labels of its own", { param: "labels" });
  const [labels, given] = [parseLabels(asked.labels), qzeroOf(asked.retrieval ?? {})];
  const { name, scorer } = await scorerOf(context, asked, call);
  using bill = billFor(context, name, call);
  const { results, receipt } = await classify(scorer, asked.input, labels, given, {
    ...bill.terms,
    signal: call.signal,
    ceiling: { flops: leastOf(asked.max_flops, call.key?.terms.maxFlops) },
    explain: asked.explain ?? false,
    onNotice: (notice) => context.catalogue.isNew(notice) && context.log.warn(notice),
    prices: pricesOf(context, `${name} ${asked.retrieval?.index ?? ""}`),
    named: { model: name, recipe: [qzeroText(given)] },
    source: await sourceOf(context, asked, call),
  });
  bill.add(receipt);
  return { results, receipt: bill.close("stop") };
}

/** The encoder is lent for one batch at a time: a request that held two models could wait for itself. */
async function scorerOf(
  context: ServerContext,
  asked: LookupRequest,
  call: Call,
): Promise<{ name: string; scorer: Scorer }> {
  const { vectors } = context;
  if (vectors && asked.model === vectors.name) return { name: vectors.name, scorer: vectors };
  const chosen = await context.catalogue.choose(asked);
  const lend = async <T>(use: (model: ContextualModel) => Promise<T>): Promise<T> => {
    using lease = await leaseFor(context, chosen, call);
    if (lease.model.encoder.classifier)
      throw new HttpError(400, `${chosen.served.id} is a classifier, expected a model of embeddings`, {
        param: "model",
      });
    return await use(lease.model);
  };
  return { name: chosen.served.id, scorer: new ContextualScorer(lend) };
}

async function sourceOf(context: ServerContext, asked: LookupRequest, call: Call): Promise<DocumentSource> {
  const { input, retrieval, evidence } = asked;
  if (evidence && retrieval?.index)
    throw new HttpError(400, "evidence takes the place of retrieval.index; expected one of them, got both", {
      param: "evidence",
    });
  if (evidence) return lookupGiven(input, evidence);
  if (!retrieval?.index)
    throw new HttpError(400, "retrieval.index: expected an index, or evidence", { param: "retrieval.index" });
  const index = context.indexes.find(retrieval.index, call.key);
  return lookupIn(index, input, (query, how, terms) => searchIn(context, index, { ...how, query }, call, terms));
}

const prices = new WeakMap<ServerContext, Map<string, LookupPrices>>();

/** Prices of lookups by one model in one index. */
function pricesOf(context: ServerContext, place: string): LookupPrices {
  const all = prices.get(context) ?? new Map<string, LookupPrices>();
  prices.set(context, all);
  const known = all.get(place) ?? new LookupPrices();
  all.set(place, known);
  return known;
}
