import { isIds, type Prompt } from "../../engine/decode/language-model.ts";
import type { Spent } from "../../graph/index.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { WallTime } from "../../ledger/wall-time.ts";
import { UserError } from "../../util/errors.ts";
import type { AnswerOptions, TextRequest } from "../request.ts";
import type { Facts, HeldModel, Resources } from "../resources.ts";
import type { NamedText, ShownPiece } from "../text-pipeline.ts";
import type { PlanSettings } from "./options.ts";
import {
  carried,
  chatsOf,
  checkPlanText,
  type Planning,
  type PlanWithCost,
  plan,
  planningFor,
  promptFor,
} from "./plan.ts";
import {
  executorOf,
  type Hashes,
  plannerOf,
  projectorOf,
  sourceFor,
  type TrainedProjector,
  trainedFor,
} from "./trained.ts";

/** A plan, and how it was made. */
type Draft = PlanWithCost & { readonly planner: string; readonly planning: Planning };

/** Generates a plan, then an answer; the plan is the first piece. @throws UserError */
export async function* planned(
  named: NamedText,
  resources: Resources,
  request: TextRequest,
  own: Hashes,
): AsyncGenerator<ShownPiece, void> {
  const time = new WallTime(request.arrived);
  const question = questionOf(request.prompt);
  const options = ofExecutor(request.options);
  const settings = (request.settings ?? {}) as PlanSettings;
  const trained = trainedFor(own, settings.projector);
  const executor = await resources.facts("executor");
  const make = (model: HeldModel) => planBy(model, executor, trained, question, request, settings);
  const draft = await resources.use("planner", make);
  checkPlanText(draft.shown, draft.planner);
  const begin = { role: "executor", shown: draft.shown, planTokens: draft.shown.tokens };
  yield { ...begin, text: "", tokens: [] };
  const bill = new Bill(named, draft, executor, time);
  const prompt = async (model: HeldModel) => {
    const language = executorOf(model);
    const projector = trained && draft.states ? await projectorOf(model, trained) : undefined;
    const { span, spent } = await carried(draft, language, projector);
    bill.spent = spent;
    return promptFor(language, question, draft.planning, span);
  };
  const { signal, onStopped } = request;
  const stopped = onStopped && { onStopped: (own: Receipt) => onStopped(bill.receipt(own)) };
  const ends = { arrived: performance.now(), ...(signal && { signal }), ...stopped };
  for await (const { receipt, ...piece } of resources.generate("executor", prompt, { ...options, ...ends }))
    yield { ...piece, ...(receipt ? { ...begin, receipt: bill.receipt(receipt) } : { role: "executor" }) };
}

/** The cost of a planned answer: dense is the executor alone; planning and reading the plan are overhead. */
class Bill {
  /** The cost of planning, including the projector. */
  spent: Spent;

  constructor(
    private readonly named: NamedText,
    private readonly draft: Draft,
    private readonly executor: Facts,
    private readonly time: WallTime,
  ) {
    this.spent = draft.spent;
  }

  receipt(own: Receipt): Receipt {
    const { spent } = this;
    const { shown: plan, planner } = this.draft;
    const { completion } = own.tokens;
    const alone = this.executor.price({ ...own.tokens, prompt: Math.max(1, own.tokens.prompt - plan.tokens) });
    const total = own.flops.spent + spent.flops;
    const answering = Math.min(alone.flops, own.flops.spent - own.flops.overhead);
    return makeReceipt({
      ...{ model: this.named.name, recipe: [`plan:channel=${plan.channel}`], tokens: own.tokens },
      flops: { dense: alone.flops, spent: total, overhead: total - answering },
      bytes: { dense: alone.bytes, spent: own.bytes.spent + spent.bytes },
      work: {
        tokens: { dense: completion, run: completion + plan.tokens },
        passes: { dense: completion, run: completion + plan.passes },
        calls: {
          [planner]: { dense: 0, run: Number(plan.channel !== "none") },
          [own.model]: { dense: 1, run: 1 },
        },
      },
      ms: this.time.times([own]),
      estimated: own.estimated,
      ...(own.cut && { cut: own.cut }),
    });
  }
}

/** @throws UserError if the model is not a planner, or the plan cannot be made */
async function planBy(
  model: HeldModel,
  executor: Facts,
  trained: TrainedProjector | undefined,
  question: string,
  { options, signal }: TextRequest,
  { planning: input = {}, projector }: PlanSettings,
): Promise<Draft> {
  const planner = plannerOf(model);
  const { name } = model;
  if (trained && projector === undefined && trained.metadata.source !== "plan")
    throw new UserError(`the projector of ${name} was trained as a control and reads no plans; use another`);
  const planning = planningFor(input, trained?.metadata, chatsOf({ planner, executor }), options.seed);
  const latent = trained && { source: await sourceFor(model, executor, trained), tokens: trained.metadata.tokens };
  return { ...(await plan({ planner, latent }, question, planning, signal)), planner: name, planning };
}

/** The question: the text, or a chat's last user turn. @throws UserError if it is empty */
function questionOf(prompt: Prompt): string {
  if (typeof prompt === "string") {
    if (prompt.trim() !== "") return prompt;
    throw new UserError("the question is empty, expected a text", 2);
  }
  const turns = isIds(prompt) ? [] : prompt;
  const content = turns.findLast(({ role }) => role === "user")?.content;
  if (typeof content === "string" && content.trim() !== "") return content;
  throw new UserError("messages: the last user turn is the question; expected it to contain text", 2, "messages");
}

/** Options that apply to only one model; `READING` holds the options for the model's input. */
const READING = ["adapter", "save", "suffix", "infill", "mode", "promptLogprobs"] as const;
const OTHERS = [...READING, "tools", "toolChoice", "format", "images", "diffusion"] as const;

/** A request's options for the executor. @throws UserError for options that planned answers do not support */
function ofExecutor(options: AnswerOptions): AnswerOptions {
  const values: Readonly<Record<string, unknown>> = { ...options };
  const other = OTHERS.find((key) => values[key] !== undefined);
  if (other) throw new UserError(`${other} applies to one model, but a planned answer uses two`, 2);
  return options;
}
