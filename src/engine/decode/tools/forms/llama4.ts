import { isObject, jsonIn } from "../../../../weights/json.ts";
import { callFormat } from "../tools.ts";
import { allOf, type CallForm, callOf } from "./form.ts";

const [OPEN, CLOSE] = ['{"name":', "}}"] as const;

/** Llama 4: `{"name": "f", "parameters": {…}}`, one call after another, without marks. */
export const llama4Calls: CallForm = {
  ...{ open: OPEN, close: CLOSE, needsClose: true },
  matches: (template) => template.includes("<|header_start|>") && template.includes("parameters"),
  read: (text) => allOf([callIn(OPEN + text + CLOSE)]),
  forced: (tools) => ({
    begin: () => "",
    format: callFormat(tools, { name: "name", arguments: "parameters" }),
    read: callIn,
  }),
};

function callIn(text: string) {
  const call = jsonIn(text);
  return isObject(call) ? callOf(call["name"], call["parameters"] ?? call["arguments"]) : undefined;
}
