import { CLOSE, OPEN } from "../tools.ts";
import { allOf, argumentOf, type CallForm, callOf, jsonCall } from "./form.ts";

const FUNCTION = /^\s*<function=([^>\n]+)>(.*)<\/function>\s*$/s;
const PARAMETER = /\s*<parameter=([^>\n]+)>\n?(.*?)\n?<\/parameter>/sy;

/** Qwen3-Coder: tags for the function and each of its parameters, with values on separate lines. */
export const qwen3CoderCalls: CallForm = {
  ...{ open: OPEN, close: CLOSE },
  matches: (template) => template.includes("<function=") && template.includes("<parameter="),
  read(text, tools) {
    const [, name, rest = ""] = FUNCTION.exec(text) ?? [];
    if (name === undefined) return allOf([jsonCall(text)]);
    const values: [string, unknown][] = [];
    let end = 0;
    PARAMETER.lastIndex = 0;
    for (let match = PARAMETER.exec(rest); match; match = PARAMETER.exec(rest)) {
      values.push([match[1]!, argumentOf(match[2]!, name, match[1]!, tools)]);
      end = PARAMETER.lastIndex;
    }
    return rest.slice(end).trim() === "" ? allOf([callOf(name, Object.fromEntries(values))]) : undefined;
  },
};
