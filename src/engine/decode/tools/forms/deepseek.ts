import { jsonIn } from "../../../../weights/json.ts";
import { argumentsOf } from "../tools.ts";
import { allOf, type CallForm, callOf } from "./form.ts";

const [OPEN, CLOSE] = ["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"] as const;
const [CALL, END, BETWEEN] = ["<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>"] as const;

const FENCE = "```json";

/** DeepSeek: the kind, the name and fenced JSON (V3, R1), or only the name and JSON (V3.1). */
export const deepSeekCalls: CallForm = {
  ...{ open: OPEN, close: CLOSE, inside: [CALL, END, BETWEEN], argumentsAsText: true },
  matches: (template) => template.includes(OPEN),
  read(text) {
    const [before = "", ...parts] = text.split(CALL);
    return before.trim() === "" ? allOf(parts.map(read)) : undefined;
  },
  // The name comes before the JSON, so there must be only one.
  forced([tool, ...others]) {
    if (!tool || others.length > 0) return undefined;
    const { name } = tool.function;
    const head = (template: string) =>
      template.includes(FENCE) ? `function${BETWEEN}${name}\n${FENCE}\n` : `${name}${BETWEEN}`;
    return {
      begin: (template) => OPEN + CALL + head(template),
      format: argumentsOf(tool),
      read: (text) => callOf(name, jsonIn(text)),
    };
  },
};

function read(text: string) {
  const [head = "", rest = "", ...more] = text.trim().split(BETWEEN);
  if (more.length > 0 || !rest.endsWith(END)) return undefined;
  const body = rest.slice(0, -END.length).trim();
  if (head.trim() !== "function" || !/```/.test(body)) return callOf(head.trim(), jsonIn(body));
  const [, name, json] = /^([^\n]+)\n```(?:json)?\n(.*)\n?```$/s.exec(body) ?? [];
  return json === undefined ? undefined : callOf(name!.trim(), jsonIn(json));
}
