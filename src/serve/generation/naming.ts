import { z } from "zod";
import { listOf } from "../../util/list-of.ts";

export const savingsField = listOf(z.string().max(500), { of: "savings", max: 8 });

/** Which model, under which savings: what every request says. */
export const modelShape = {
  model: z
    .string("expected a model's name")
    .max(300)
    .describe("a model's name, or a registered recipe's, as smollm2@fast"),
  savings: savingsField
    .nullish()
    .describe(
      "ways to spend less, each name or name:key=value,…; none is dense; where it is not said, chats and completions run under the key's recipe",
    ),
};

/** What requests say that have texts read. */
export const readingShape = {
  ...modelShape,
  max_flops: z
    .number()
    .positive()
    .nullish()
    .describe("most FLOPs; a request whose texts cost more by their lengths, densely, is refused"),
  truncation: z
    .literal(true, "expected true: what is longer than the model reads is cut")
    .nullish()
    .describe("nothing else is taken"),
};
