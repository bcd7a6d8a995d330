import { CLOSE, OPEN } from "../tools.ts";
import { allOf, argumentOf, type CallForm, callOf, jsonCall } from "./form.ts";

const ARGUMENT = /\s*<arg_key>([^<]*)<\/arg_key>\s*<arg_value>(.*?)<\/arg_value>/sy;

/** GLM-4.5: a function's name, then a key and a value for each argument. */
export const glmCalls: CallForm = {
  ...{ open: OPEN, close: CLOSE, needsClose: true },
  matches: (template) => template.includes(OPEN) && template.includes("<arg_key>"),
  read(text, tools) {
    const [, name = "", rest = ""] = /^\s*([\w.-]+)(.*)$/s.exec(text) ?? [];
    const values: [string, unknown][] = [];
    let end = 0;
    ARGUMENT.lastIndex = 0;
    for (let match = ARGUMENT.exec(rest); match; match = ARGUMENT.exec(rest)) {
      const key = match[1]!.trim();
      values.push([key, argumentOf(match[2]!, name, key, tools)]);
      end = ARGUMENT.lastIndex;
    }
    const whole = name !== "" && rest.slice(end).trim() === "";
    return allOf([whole ? callOf(name, Object.fromEntries(values)) : jsonCall(text)]);
  },
};
