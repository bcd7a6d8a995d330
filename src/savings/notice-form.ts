import type { ModelForm } from "../weights/prepared/quant.ts";
import { formNames, type PromptForm } from "../weights/tokenizer/index.ts";
import type { Recipe } from "./recipe.ts";

/** A notice for each saving whose risk is certified for a different prompt form; `form` is undefined for token ids. */
export const uncertified = (recipe: Recipe, form: PromptForm | undefined): string[] =>
  recipe.flatMap(({ saving, options, text }) => {
    const certified = saving.certifiedOn?.(options);
    if (form === undefined || certified === undefined || certified === form) return [];
    const [own, read] = [formNames[certified], formNames[form]];
    return [`${text} is certified on ${own}, but this prompt is read as ${read}: its risk is not certified here`];
  });

/** Notifies the user if `file` was learnt while the model's weights ran in a different form. */
export function noticeForm(
  file: string,
  learnt: ModelForm,
  running: ModelForm | undefined,
  onNotice: ((sentence: string) => void) | undefined,
): void {
  const differs = running && formDifference(learnt, running);
  if (differs === undefined) return;
  const advice = formAdvice(learnt.quant, running?.quant);
  onNotice?.(`${file} was made while ${differs} here; its thresholds may be slightly off${advice}`);
}

/** The difference in words; undefined if none is known. Codes are compared only if the floats have the same form. */
export function formDifference(learnt: ModelForm, running: ModelForm): string | undefined {
  // Files that record no form predate rotated bytes, so they were made in a different form.
  const known = learnt.quant !== undefined || running.quant === "q8r";
  if (known && running.quant && learnt.quant !== running.quant)
    return `the model's weights ran in form ${learnt.quant ?? "auto"}, but they run in ${running.quant}`;
  if (learnt.codes && running.codes && learnt.codes !== running.codes)
    return `the model's 4-bit types ran in ${learnt.codes} bits, but they run in ${running.codes}`;
  return undefined;
}

/** The end of a sentence: how to run the model in the `measured` form; "" if Modicum did not choose the running form. */
export function formAdvice(measured: string | undefined, running: string | undefined): string {
  if (measured === running) return "";
  if (running === "q8r") return "; MODICUM_TUNE=off keeps auto in the default form";
  return measured === "q8r" ? "; --quant q8r runs in that form" : "";
}
