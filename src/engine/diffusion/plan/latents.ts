import type { Decoder } from "../../../models/decoder/decoder.ts";
import { decoderArchitecture, openDecoder } from "../../../models/registry.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { Part } from "../../../weights/prepared/part.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { drawToken } from "../choose.ts";
import { DenoiserPrograms } from "../denoiser-programs.ts";
import { DenoiserRun } from "../denoiser-run.ts";
import type { DiffusionModel } from "../diffusion-model.ts";
import { makePlan, type PlanResult, type PlanTerms } from "./make-plan.ts";
import { plannerPrompt, type Template } from "./template.ts";

/**
 * Vectors that a projector may be trained on: the states of the planner's plan; or, as controls, the same vectors for
 * every question, the planner's token embeddings for the end of the question, or the executor's own states of a plan
 * that it writes.
 */
export const sources = ["plan", "constant", "question", "executor"] as const;
export type Source = (typeof sources)[number];

/** The options for computing the vectors, one vector per plan token. */
export type LatentTerms = Omit<PlanTerms, "states">;

/** Latent vectors of a question: `states` is [terms.tokens, width]. */
type Latents = Omit<PlanResult, "states"> & { readonly states: Float32Array };

/** Computes the vectors of one source. */
export interface LatentSource extends Disposable {
  readonly width: number;
  latents(question: string, terms: LatentTerms, signal?: AbortSignal): Promise<Latents>;
}

/** A model's checkpoint with its tokenizer, and the folder of the prepared weights. */
interface OpenedModel {
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  readonly prepared: string;
}

interface Around {
  readonly planner: DiffusionModel;
  readonly plannerCheckpoint: Checkpoint;
  readonly executor: OpenedModel;
  readonly template: Template;
}

/** Opens a source; the caller still owns the planner. */
export async function openSource(source: Source, around: Around): Promise<LatentSource> {
  switch (source) {
    case "plan":
      return planStates(around);
    case "constant":
      return constant(around);
    case "question":
      return ofQuestion(around);
    case "executor":
      return await OwnStates.open(around);
  }
}

const widthOf = ({ programs }: DiffusionModel): number => programs.decoder.config.hidden;
const free = (): Pick<PlanResult, "ids" | "text" | "passes" | "spent"> => ({
  ...{ ids: [], text: "", passes: 0 },
  spent: { flops: 0, bytes: 0 },
});
const nothing = { [Symbol.dispose]: () => {} };

/** Creates a source whose latents are the planner's states for the tokens of its plan. */
function planStates({ planner, template }: Pick<Around, "planner" | "template">): LatentSource {
  return {
    width: widthOf(planner),
    async latents(question, terms, signal) {
      const prompt = plannerPrompt(planner.tokenizer, template, question);
      const plan = await makePlan(planner, prompt, { ...terms, states: true }, signal);
      return { ...plan, states: plan.states! };
    },
    ...nothing,
  };
}

function constant({ planner }: Around): LatentSource {
  const width = widthOf(planner);
  return {
    width,
    async latents(_, { tokens }) {
      const normal = normals(seededRandom(1));
      return { ...free(), states: Float32Array.from({ length: tokens * width }, () => normal()) };
    },
    ...nothing,
  };
}

/** Creates a source of the planner's token embeddings for the last tokens of its prompt. */
async function ofQuestion({ planner, plannerCheckpoint: checkpoint, template }: Around): Promise<LatentSource> {
  const width = widthOf(planner);
  const table = new Part(
    checkpoint,
    (await decoderArchitecture(checkpoint)).tensors(checkpoint),
    "token_embd.weight",
  ).floats();
  return {
    width,
    async latents(question, { tokens }) {
      const ids = plannerPrompt(planner.tokenizer, template, question).slice(-tokens);
      const states = new Float32Array(tokens * width);
      for (const [i, id] of ids.entries()) states.set(table.subarray(id * width, (id + 1) * width), i * width);
      return { ...free(), states };
    },
    ...nothing,
  };
}

/** The executor's states at the tokens of a plan that it writes itself, choosing the likeliest token each time. */
class OwnStates implements LatentSource {
  private constructor(
    private readonly around: Around,
    private readonly decoder: Decoder,
    private readonly programs: DenoiserPrograms,
  ) {}

  static async open(around: Around): Promise<OwnStates> {
    const { checkpoint, prepared } = around.executor;
    const { decoder, weights } = await openDecoder(checkpoint, prepared);
    return new OwnStates(around, decoder, await DenoiserPrograms.compile(decoder, weights));
  }

  get width(): number {
    return this.decoder.config.hidden;
  }

  async latents(question: string, { tokens }: LatentTerms, signal?: AbortSignal): Promise<Latents> {
    const { executor, template } = this.around;
    const prompt = plannerPrompt(executor.tokenizer, template, question);
    const ids = Int32Array.from([...prompt, ...new Array<number>(tokens).fill(0)]);
    using run = new DenoiserRun(this.programs, ids.length, tokens);
    for (let at = prompt.length; at < ids.length; at++) {
      signal?.throwIfAborted();
      ids[at] = drawToken(await run.score(ids, [at - 1]), 0, () => 0);
    }
    const places = Array.from({ length: tokens }, (_, i) => prompt.length + i);
    const states = (await run.states(ids, places)).slice();
    const plan = [...ids.subarray(prompt.length)];
    const { passes, spent } = run;
    return { ids: plan, text: executor.tokenizer.decode(plan), states, passes, spent: { ...spent } };
  }

  [Symbol.dispose](): void {
    this.programs[Symbol.dispose]();
  }
}
