import { suggest, UserError } from "../../../util/errors.ts";
import { type AnswerMarks, HARMONY } from "../../../weights/tokenizer/index.ts";
import type { Format, Trigger } from "../grammar/index.ts";
import type { CallForm } from "./forms/form.ts";
import { argumentsOf, callFormat, callTrigger, OPEN, type Tool, type ToolChoice } from "./tools.ts";

/** A request's fields for tools and for the format of its answer. */
export interface CallOptions {
  readonly format?: Format | undefined;
  readonly tools?: readonly Tool[] | undefined;
  readonly toolChoice?: ToolChoice | undefined;
  readonly parallelToolCalls?: boolean | undefined;
}

/** The effect of tools and formats: the tools in the prompt, the answer's beginning, and its constraint. */
export interface Calling {
  readonly tools: readonly Tool[];
  /** Text to put before the answer. */
  readonly begin: string;
  /** True if special tokens written in `begin` are encoded as such, not as plain text. */
  readonly isSpecial?: true;
  /** The function whose call `begin` opens, in harmony: the answer is then only the arguments. */
  readonly name?: string;
  readonly format: Format | undefined;
  readonly trigger: Trigger | undefined;
}

/**
 * Derives the effect of the options; `marks`: how the model's answers are divided.
 * @throws UserError if a chosen tool is unknown, names are not unique, or a format is requested together with calls
 */
export function callingOf(
  { format, tools = [], toolChoice = "auto", parallelToolCalls = true }: CallOptions,
  marks?: AnswerMarks,
): Calling {
  checkNames(tools);
  const chosen = chosenOf(tools, toolChoice);
  if (chosen.length === 0) return { tools: toolChoice === "none" ? [] : tools, begin: "", format, trigger: undefined };
  if (format !== undefined) throw new UserError("expected tools or a format, got both", 2);
  if (marks === "harmony" && isForced(toolChoice)) return callInHarmony(tools, chosen);
  const held = { tools, format: callFormat(chosen) };
  if (isForced(toolChoice)) return { ...held, begin: `${OPEN}\n`, trigger: undefined };
  return { ...held, begin: "", trigger: callTrigger(parallelToolCalls) };
}

/** Begins a call in harmony, whose message header names the function. @throws UserError for several functions */
function callInHarmony(tools: readonly Tool[], chosen: readonly Tool[]): Calling {
  const [tool, ...others] = chosen;
  if (others.length > 0)
    throw new UserError(
      `the model's chat format begins a call with the function's name: expected one function, got ${chosen.length} to choose from`,
      2,
    );
  const { name } = tool!.function;
  const begin = `${HARMONY.channel}commentary to=functions.${name} ${HARMONY.constrain}json${HARMONY.message}`;
  return { tools, begin, name, format: argumentsOf(tool!), trigger: undefined };
}

/**
 * Adapts `calling` to a model with this chat template, which writes calls in its own format. Required calls use that
 * format if it can be enforced.
 */
export function inForm(
  calling: Calling,
  form: CallForm | undefined,
  template: string,
  { tools = [], toolChoice = "auto" }: CallOptions,
): Calling {
  if (form && calling.trigger) return { ...calling, format: undefined, trigger: undefined };
  const forced = isForced(toolChoice) ? form?.forced?.(chosenOf(tools, toolChoice)) : undefined;
  return forced ? { ...calling, begin: forced.begin(template), isSpecial: true, format: forced.format } : calling;
}

/** True if the answer begins inside a call. */
export const isForced = (choice: ToolChoice): boolean =>
  typeof choice === "object" ? !("mode" in choice) || choice.mode === "required" : choice === "required";

/** The tools that may be called. */
export function chosenOf(tools: readonly Tool[], choice: ToolChoice): readonly Tool[] {
  if (choice === "none") return [];
  if (choice === "auto") return tools;
  if (tools.length === 0) throw new UserError("a tool call is required, but there are no tools", 2);
  if (choice === "required") return tools;
  const names = "mode" in choice ? [...new Set(choice.names)] : [choice.name];
  return names.map((name) => toolOf(tools, name));
}

function toolOf(tools: readonly Tool[], name: string): Tool {
  const found = tools.find((it) => it.function.name === name);
  if (found) return found;
  const names = tools.map((it) => it.function.name);
  throw new UserError(`there is no tool "${name}"${suggest(name, names)}`, 2);
}

function checkNames(tools: readonly Tool[]): void {
  const names = tools.map((it) => it.function.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new UserError(`two tools are called "${twice}"; expected a different name for each`, 2);
}
