import { recipeOf } from "../pipeline.ts";
import type { AnswerOptions, TextRequest } from "../request.ts";
import type { Resources } from "../resources.ts";
import type { NamedText, ShownPiece } from "../text-pipeline.ts";
import type { Pair, RouteModel } from "./bill.ts";
import { type Route, type Routing, route } from "./route.ts";
import { type PreparedRoute, ruleFor } from "./rule.ts";

/** @throws UserError if the certificate refuses the request's prompt form or sampling */
export async function answer(
  named: NamedText,
  resources: Resources,
  request: TextRequest,
  prepared: PreparedRoute,
): Promise<AsyncGenerator<ShownPiece, void>> {
  const { decider, choice } = await ruleFor(prepared, resources, request);
  const { signal, arrived, onStopped, whole } = request;
  const { budget, maxTokens, ...options } = request.options;
  return pieces(pairIn(resources, prepared), request.prompt, {
    ...{ ...decider, signal, arrived, onStopped, whole },
    onDegraded: (reason) => resources.degraded("a pair's second model failed", reason),
    // Without a certificate, both models refuse a budget.
    options: choice ? { ...options, maxTokens: choice.maxTokens ?? maxTokens } : request.options,
    named: { model: named.name, recipe: choice?.recipe ?? [recipeOf(named)], choice },
  });
}

async function* pieces(
  pair: Pair<AnswerOptions>,
  prompt: TextRequest["prompt"],
  routing: Routing<AnswerOptions>,
): AsyncGenerator<ShownPiece, void> {
  let role: Route["to"] = "swift";
  for await (const { route: shown, ...piece } of route(pair, prompt, routing)) {
    role = shown?.to ?? role;
    yield { ...piece, role, ...(shown && { shown }) };
  }
}

function pairIn(resources: Resources, { pair }: PreparedRoute): Pair<AnswerOptions> {
  const model = (role: "swift" | "super"): RouteModel<AnswerOptions> => ({
    identity: pair[role],
    generate: (prompt, options) => resources.generate(role, prompt, options),
    held: (prompt, options) => resources.held(role, prompt, options),
    price: (...priced) => resources.price(role, ...priced),
  });
  return { swift: model("swift"), super: model("super") };
}
