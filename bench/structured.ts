import type { Format, Model } from "../src/index.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";

const PROMPT = "Invent five people who work in a bakery, with their names, ages and what they do.";
const person = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer", minimum: 16, maximum: 90 },
    work: { type: "string" },
  },
  required: ["name", "age", "work"],
};
const PEOPLE: Format = { type: "array", items: person, minItems: 5, maxItems: 5 };
const STEPS = 96;

/** Measures an answer in tokens per second, without its prompt. */
const decoded = (format: Format | undefined) => async (model: Model) => {
  const { receipt } = await model.complete(PROMPT, { format, maxTokens: STEPS, temperature: 0.7, seed: 5 });
  return (receipt.tokens.completion / receipt.ms.decode) * 1000;
};

/** Compares an answer constrained to a schema with an unconstrained one, with the same model, prompt and seed. */
export const structured: Bench = {
  name: "structured",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides({ model: name }) {
    const model = new OwnModel(name);
    return {
      ours: ownSide("held to a schema", model, decoded(PEOPLE)),
      theirs: ownSide("not held", model, decoded(undefined)),
    };
  },
};
