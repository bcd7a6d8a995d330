import { isTable } from "../../util/data/rows.ts";
import { suggest, UserError } from "../../util/errors.ts";
import type { ItemsFor, Task } from "../task.ts";
import { afterText } from "./after-text.ts";
import { arcChallenge, arcEasy } from "./arc.ts";
import { attributes } from "./attributes.ts";
import { boolq } from "./boolq.ts";
import { humaneval, mbpp } from "./code.ts";
import { codeCompletion } from "./code-completion.ts";
import { commonsenseqa } from "./commonsenseqa.ts";
import { consistency } from "./consistency.ts";
import { cranfield } from "./cranfield.ts";
import type { Entry } from "./family.ts";
import { gsm8k } from "./gsm8k.ts";
import { hellaswag } from "./hellaswag.ts";
import { banking77, tagmynews } from "./labels.ts";
import { lambada } from "./lambada.ts";
import { mmlu } from "./mmlu.ts";
import { multiKey, needle } from "./needle-task.ts";
import { nextTokens } from "./next-tokens.ts";
import { nqOpen, triviaqa } from "./open-questions.ts";
import { openbookqa } from "./openbookqa.ts";
import { piqa } from "./piqa.ts";
import { coqa, drop, squad } from "./reading.ts";
import { scenes } from "./scenes.ts";
import { sciq } from "./sciq.ts";
import { socialIqa } from "./social-iqa.ts";
import { text } from "./text.ts";
import { userTask } from "./user.ts";
import { variableTracking } from "./variable-tracking.ts";
import { winogrande } from "./winogrande.ts";
import { wordGrid } from "./word-grid.ts";

/** Every built-in task, one line each. */
export const tasks: readonly Entry[] = [
  arcEasy,
  arcChallenge,
  boolq,
  hellaswag,
  piqa,
  sciq,
  winogrande,
  openbookqa,
  commonsenseqa,
  socialIqa,
  mmlu,
  gsm8k,
  triviaqa,
  nqOpen,
  coqa,
  squad,
  drop,
  lambada,
  text,
  afterText,
  humaneval,
  mbpp,
  codeCompletion,
  nextTokens,
  needle,
  multiKey,
  variableTracking,
  consistency(findTask),
  banking77,
  tagmynews,
  cranfield,
  attributes,
  scenes,
  wordGrid,
];

export const taskNames: readonly string[] = tasks.map(({ name }) => name);

/**
 * The task that a user names: a built-in one (`arc-easy`), one with options (`needle:tokens=8192`), or a file of the
 * user's own items, which is checked immediately.
 * @throws UserError with the nearest name
 */
export async function findTask(
  spec: string,
  options: Pick<ItemsFor, "signal" | "onNotice" | "onProgress"> = {},
): Promise<Task> {
  const colon = spec.indexOf(":");
  const name = colon < 0 ? spec : spec.slice(0, colon);
  const entry = tasks.find((task) => task.name === name);
  if (entry === undefined) {
    if (isTable(spec.replace(/,[a-z]+=[^,]*$/, "")) || /[\\/]/.test(spec)) return userTask(spec, options);
    throw new UserError(`no task is called "${name}"${suggest(name, taskNames) || `; ${expected}`}`, 2);
  }
  const text = colon < 0 ? "" : spec.slice(colon + 1);
  if ("make" in entry) return entry.make(text);
  if (colon >= 0) throw new UserError(`${name}: this task has no options, got "${text}"`, 2);
  return entry;
}

const expected = "expected one from `modicum lab tasks`, or a file of items (.jsonl)";
