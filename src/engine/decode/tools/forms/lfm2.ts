import { jsonIn } from "../../../../weights/json.ts";
import { allOf, type CallForm, callIn, callOf } from "./form.ts";
import { pythonCalls, pythonOf } from "./python.ts";

const [OPEN, CLOSE] = ["<|tool_call_start|>", "<|tool_call_end|>"] as const;

/** LFM2: calls in Python, `[f(a="b")]`, or in JSON. It is identified by its vocabulary, not by its templates. */
export const lfm2Calls: CallForm = {
  ...{ open: OPEN, close: CLOSE },
  matches: (template, isSpecial) => template.includes(OPEN) || isSpecial(OPEN),
  read(text) {
    const python = pythonCalls(text);
    if (python) return allOf(python.map(({ name, arguments: values }) => callOf(name, values)));
    return allOf([jsonIn(text)].flat().map(callIn));
  },
  write(calls) {
    const texts = calls.map(({ name, arguments: values }) => {
      const pairs = Object.entries(values as object).map(([key, value]) => `${key}=${pythonOf(value)}`);
      return `${name}(${pairs.join(", ")})`;
    });
    return `${OPEN}[${texts.join(", ")}]${CLOSE}`;
  },
};
