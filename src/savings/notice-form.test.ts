import { expect, test } from "vitest";
import type { ModelForm } from "../weights/prepared/quant.ts";
import { noticeForm } from "./notice-form.ts";

const codes = "made while the model's 4-bit types ran in 8 bits, but they run in 4 here";
const quant = "made while the model's weights ran in form q8, but they run in f32 here";
const rotated = (form: string) =>
  `made while the model's weights ran in form ${form}, but they run in q8r here; its thresholds may be slightly off; MODICUM_TUNE=off keeps auto in the default form`;
const bytes =
  "made while the model's weights ran in form q8r, but they run in auto here; its thresholds may be slightly off; --quant q8r runs in that form";

test.each<[ModelForm, ModelForm | undefined, string | undefined]>([
  [{ codes: 8 }, { quant: "auto", codes: 4 }, codes],
  [{ quant: "auto", codes: 8 }, { quant: "auto", codes: 4 }, codes],
  [{ quant: "q8" }, { quant: "f32" }, quant],
  [{ quant: "auto", codes: 8 }, { quant: "auto", codes: 8 }, undefined],
  [{ quant: "q8" }, { quant: "q8" }, undefined],
  [{ quant: "auto", codes: 8 }, { quant: "q8r" }, rotated("auto")],
  [{ quant: "q8" }, { quant: "q8r" }, rotated("q8")],
  [{ quant: "q8r" }, { quant: "auto", codes: 8 }, bytes],
  [{ quant: "q8r" }, { quant: "q8r" }, undefined],
  // Files without a recorded form are older than rotated bytes.
  [{}, { quant: "q8r" }, rotated("auto")],
  [{}, { quant: "auto", codes: 4 }, undefined],
  [{ quant: "auto", codes: 8 }, undefined, undefined],
])("learnt in %j, run in %j", (learnt, running, expected) => {
  const notices: string[] = [];
  noticeForm("exits.json", learnt, running, (sentence) => void notices.push(sentence));
  expect(notices).toHaveLength(expected ? 1 : 0);
  if (expected) expect(notices[0]).toContain(`exits.json was ${expected}`);
});
