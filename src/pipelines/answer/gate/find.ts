import { noticeForm } from "../../../savings/notice-form.ts";
import { UserError } from "../../../util/errors.ts";
import { sha256Of } from "../../../util/hash.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { ModelIdentity } from "../../model.ts";
import type { Resources } from "../../resources.ts";
import { MODEL } from "../model.ts";
import type { AnswerOptions } from "../options.ts";
import { questionPromptsOf } from "../prompt.ts";
import { reflectionPrompt } from "../reflection.ts";
import { findGate, type GateBinding, gateOf } from "./artefact.ts";
import { thresholdForRate } from "./calibrate.ts";
import { ALWAYS, type Gate, NEVER } from "./gate.ts";

/** Finds the gate for a model's answers; `file` replaces the model's own gates. @throws UserError as `gateFor` does */
export const gateIn = (resources: Resources, options: AnswerOptions, file?: string): Promise<Gate> =>
  gateFor(options, { binding: () => bindingOf(resources), file, onNotice: (notice) => resources.notice(notice) });

/** The model and the prompts that a gate is bound to. */
export async function bindingOf(resources: Pick<Resources, "identity" | "facts">): Promise<GateBinding> {
  const model = await resources.identity(MODEL);
  return { model, template: templateHash((await resources.facts(MODEL)).tokenizer) };
}

/**
 * SHA-256 of all fixed texts in prompts: this pipeline's words, and the chat template's source, since its output may
 * contain the date.
 */
function templateHash(tokenizer: Tokenizer): string {
  const { plain, with: reading } = questionPromptsOf(tokenizer, "{question}");
  const texts = [
    tokenizer.chatTemplate ?? null,
    plain,
    reading(["{passage}"]),
    reflectionPrompt(tokenizer, "{question}"),
  ];
  return sha256Of(JSON.stringify(texts));
}

interface GateSource {
  readonly binding: () => Promise<GateBinding>;
  /** A file of gates that replaces the model's own. */
  readonly file?: string | undefined;
  /** Called if the model has no calibrated gate, or if its gate was calibrated with a different form of its weights. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
}

/**
 * The gate that the options select: a method with its threshold, else the model's calibrated gate, else `always`.
 * @throws UserError if the gate has no threshold, or is calibrated for another model
 */
export async function gateFor(options: AnswerOptions, source: GateSource): Promise<Gate> {
  switch (options.retrieval) {
    case "always":
      return ALWAYS;
    case "never":
      return NEVER;
    case "auto":
      return await automatic(options, source);
  }
}

async function automatic({ gate: method, threshold, targetRate }: AnswerOptions, source: GateSource): Promise<Gate> {
  if (method === "always") return ALWAYS;
  if (method === "never") return NEVER;
  if (method === "random" && targetRate !== undefined) return { method, threshold: 1 - targetRate };
  const { file, onNotice } = source;
  const binding = await source.binding();
  const { name } = binding.model;
  const held = findGate(binding, method, file);
  const formIn = ({ form, codes }: ModelIdentity) => ({ quant: form ?? "auto", codes }) as const;
  if (held) noticeForm(held.path, formIn(held.model), formIn(binding.model), onNotice);
  const found = held?.gate;
  if (found && threshold !== undefined) return { ...gateOf(found), threshold };
  if (found?.scores && targetRate !== undefined)
    return { ...gateOf(found), threshold: thresholdForRate(found.scores, targetRate) };
  if (found && targetRate === undefined) return gateOf(found);
  if (method !== undefined && method !== "classifier" && threshold !== undefined) return { method, threshold };
  if (method === undefined && targetRate === undefined && threshold === undefined) {
    onNotice?.(`${name} has no calibrated gate, so retrieval=auto looks up every question; ${again(name)}`);
    return ALWAYS;
  }
  const missing = method === undefined ? "no calibrated gate" : `no calibrated ${method} gate`;
  throw new UserError(`${name} has ${missing}; ${again(name)}, or give a gate and a threshold`);
}

const again = (name: string): string =>
  `\`modicum answer calibrate --model ${name} FILE.jsonl --index NAME\` calibrates one`;
