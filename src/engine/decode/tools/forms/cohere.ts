import { isObject, jsonIn } from "../../../../weights/json.ts";
import { callFormat } from "../tools.ts";
import { allOf, type CallForm, callOf } from "./form.ts";

const [OPEN, CLOSE] = ["<|START_ACTION|>", "<|END_ACTION|>"] as const;

/** Cohere's Command R7B and Command A: `[{"tool_call_id": "0", "tool_name": "f", "parameters": {…}}]`. */
export const cohereCalls: CallForm = {
  ...{ open: OPEN, close: CLOSE },
  matches: (template) => template.includes(OPEN),
  read(text) {
    const listed = jsonIn(text);
    if (!Array.isArray(listed)) return undefined;
    return allOf(listed.map(callIn));
  },
  forced: (tools) => ({
    begin: () => `${OPEN}[\n    `,
    format: callFormat(tools, { name: "tool_name", arguments: "parameters", before: { tool_call_id: "0" } }),
    read: (text) => callIn(jsonIn(text)),
  }),
};

const callIn = (value: unknown) =>
  isObject(value) ? callOf(value["tool_name"], value["parameters"] ?? {}) : undefined;
