import type { NamedPipeline } from "../pipeline.ts";
import type { TextRequest } from "../request.ts";
import type { Resources } from "../resources.ts";
import type { AnsweringPipeline } from "../text-pipeline.ts";
import type { Gate } from "./gate/gate.ts";
import type { AnswerOptions } from "./options.ts";

export const expertrag = {
  name: "expertrag",
  group: "retrieval",
  summary: "look a question up only if a gate says so: answer",
  options: async () => (await import("./options.ts")).answerOptions,
  shows: { field: "retrieval", first: true } as const,
  /** Fields of chat and `POST /v1/answer` requests. */
  fields: () => import("./fields.ts"),
  /** The inputs and result of a gate calibration. */
  calibration: () => import("./gate/fit.ts"),
  /** @throws UserError if the question is empty */
  checkQuestion: async (question: string) => (await import("./prompt.ts")).checkQuestion(question),
  /** The pipeline over a model. */
  over(model: string, options: AnswerOptions): NamedPipeline<AnsweringPipeline<Gate>> {
    const optionText = `retrieval=${options.retrieval},passages=${options.passages}`;
    return { pipeline: expertrag, roles: { model }, name: model, optionText, values: options };
  },
  async prepare({ values }: NamedPipeline, resources: Resources) {
    const { gateIn } = await import("./gate/find.ts");
    return gateIn(resources, values as AnswerOptions);
  },
  async *answer(named: NamedPipeline, resources: Resources, request: TextRequest, gate: Gate) {
    const { answerRequest } = await import("./answer.ts");
    yield* answerRequest(named, resources, request, gate);
  },
};
