import { planStates } from "../../engine/diffusion/plan/latents.ts";
import type { PlanName } from "../../engine/diffusion/plan/name.ts";
import { Projector } from "../../engine/diffusion/plan/projector.ts";
import { type ProjectorFile, projectorFor, readProjector } from "../../engine/diffusion/plan/projector-file.ts";
import type { ChatMessage, Chunk, RunOptions } from "../../index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { WallTime } from "../../ledger/wall-time.ts";
import { priceOfLengths } from "../../library/dense-price.ts";
import { plannedReceipt } from "../../pipelines/plan/bill.ts";
import type { PlanningOptions } from "../../pipelines/plan/options.ts";
import {
  type Chats,
  carried,
  checkSaid,
  type Planning,
  type PlanWithCost,
  plan,
  planningFor,
  promptFor,
} from "../../pipelines/plan/plan.ts";
import { UserError } from "../../util/errors.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Call } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { Chosen } from "../models/served.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";
import { billedParts, ceilingOf, type Part } from "./answers.ts";

/** The two models of a request that names a planner with an executor. */
export interface ChosenPlan {
  readonly name: string;
  readonly planner: Chosen;
  readonly executor: Chosen;
}

/** The models of a planner with an executor, by a name that stands for no model. @throws HttpError 404 */
export async function choosePlan(
  { catalogue }: Pick<ServerContext, "catalogue">,
  name: string,
  { planner, executor }: PlanName,
): Promise<ChosenPlan> {
  const choose = (model: string) => catalogue.choose({ model });
  return { name, planner: await choose(planner), executor: await choose(executor) };
}

/** A request for a planned answer. */
export interface PlannedAsk {
  readonly question: string;
  readonly options: RunOptions;
  readonly planning: Partial<PlanningOptions>;
}

/** The question of a chat: the last turn of its user. @throws HttpError 400 if it has no text */
export function questionOf(turns: readonly ChatMessage[]): string {
  const content = turns.findLast(({ role }) => role === "user")?.content;
  if (typeof content === "string" && content.trim() !== "") return content;
  throw new HttpError(400, "messages: the last user's turn is the question, expected one with a text", {
    param: "messages",
  });
}

/** Plans and answers. Each model is leased while it runs, so that no request holds one while it waits for the other. */
export async function* plannedAnswer(
  context: ServerContext,
  chosen: ChosenPlan,
  { question, options, planning }: PlannedAsk,
  call: Call,
): AsyncGenerator<Part, void> {
  using bill = billFor(context, chosen.name, call);
  const left = new AbortController();
  const ceiling = ceilingOf([{ prompt: "", options }], context.limits, call.key);
  const signal = AbortSignal.any([call.signal, left.signal]);
  const run = answered(
    context,
    chosen,
    { question, planning, options: { ...options, ...bill.terms, ceiling, signal } },
    call,
  );
  for await (const part of billedParts(bill, [run], () => left.abort())) yield part;
}

async function* answered(
  context: ServerContext,
  chosen: ChosenPlan,
  { question, options, planning: given }: PlannedAsk,
  call: Call,
): AsyncGenerator<Chunk & Pick<Part, "plan"> & { readonly tokenizer: Tokenizer }, void> {
  const time = new WallTime(call.taken);
  const folder = await projectorOf(context, chosen);
  const about = folder === undefined ? undefined : readProjector(folder);
  const planning = planningFor(given, about, await chatsOf(context, chosen, call), options.seed);
  const made = await madePlan(context, chosen, question, planning, about, call);
  checkSaid(made.shown, chosen.planner.served.id);
  const arrived = performance.now();
  using lease = await leaseFor(context, chosen.executor, call);
  const { language } = lease.model;
  using projector = folder === undefined || !made.states ? undefined : await Projector.open(folder);
  const { span, shown, spent } = await carried(made, language, projector);
  const named = { name: chosen.name, planner: chosen.planner.served.id, executor: chosen.executor.served.id };
  const { tokenizer } = language;
  const ofBoth = (own: Receipt): Receipt => {
    const lengths = { ...own.tokens, prompt: Math.max(1, own.tokens.prompt - shown.tokens) };
    return plannedReceipt({ named, own, plan: shown, spent, alone: priceOfLengths(language, lengths), time });
  };
  const told = { ...options, arrived, onStopped: (own: Receipt) => options.onStopped?.(ofBoth(own)) };
  yield { text: "", tokens: [], plan: shown, tokenizer };
  const pieces = lease.model.generateSpanned(promptFor(language, question, planning, span), told);
  for await (const { receipt, ...piece } of pieces)
    yield { ...piece, ...(receipt && { plan: shown, receipt: ofBoth(receipt) }), tokenizer };
}

async function projectorOf({ catalogue }: ServerContext, { planner, executor }: ChosenPlan) {
  const hash = ({ served }: Chosen) => catalogue.hashOf(served.source);
  return projectorFor({ planner: await hash(planner), executor: await hash(executor) });
}

async function chatsOf(context: ServerContext, { planner, executor }: ChosenPlan, call: Call): Promise<Chats> {
  const chats = async (one: Chosen, kind: "generative" | "language") => {
    using lease = await leaseFor(context, one, call);
    return lease.model[kind].tokenizer.chatTemplate !== undefined;
  };
  return { planner: await chats(planner, "generative"), executor: await chats(executor, "language") };
}

/** @throws HttpError if the planner is of another kind; UserError as `plan` does */
async function madePlan(
  context: ServerContext,
  { planner: chosen }: ChosenPlan,
  question: string,
  planning: Planning,
  about: ProjectorFile | undefined,
  call: Call,
): Promise<PlanWithCost> {
  using lease = await leaseFor(context, chosen, call);
  const planner = lease.model.loaded;
  if (planner.kind !== "diffusion language model")
    throw new HttpError(400, `${chosen.served.id} fills in no masked tokens, expected a planner`, { param: "model" });
  if (about && about.source !== "plan")
    throw new UserError(`the projector of ${chosen.served.id} is a control, expected one that reads plans`);
  const latent = about && { source: planStates({ planner, template: planning.template }), tokens: about.tokens };
  return await plan({ planner, ...(latent && { latent }) }, question, planning, call.signal);
}
