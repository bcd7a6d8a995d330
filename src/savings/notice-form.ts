import type { ModelForm } from "../weights/prepared/quant.ts";

/** Tells the user if what was learnt in `file` was learnt while the model's weights ran in another form than they do here. */
export function noticeForm(
  file: string,
  learnt: ModelForm,
  running: ModelForm | undefined,
  onNotice: ((sentence: string) => void) | undefined,
): void {
  const differs = running && formDifference(learnt, running);
  if (differs !== undefined) onNotice?.(`${file} was made while ${differs} here; its thresholds may lie a little off`);
}

/** The difference in words; undefined: none is known. Codes are compared only within one form of the floats. */
export function formDifference(learnt: ModelForm, running: ModelForm): string | undefined {
  if (learnt.quant && running.quant && learnt.quant !== running.quant)
    return `the model's weights ran in form ${learnt.quant}, and they run in ${running.quant}`;
  if (learnt.codes && running.codes && learnt.codes !== running.codes)
    return `the model's 4-bit types ran in ${learnt.codes} bits, and they run in ${running.codes}`;
  return undefined;
}
