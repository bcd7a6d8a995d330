import { z } from "zod";
import { splits } from "../data/olmo.ts";
import { accuracy } from "../metrics/index.ts";
import { fromRows } from "./from-rows.ts";

export const winogrande = fromRows({
  name: "winogrande",
  summary:
    "Who a sentence refers to: WinoGrande XL, validation (arXiv 1907.10641); the sentence's end is scored after either name",
  kind: "choice",
  size: 1267,
  metrics: [accuracy],
  place: splits("winogrande/winogrande_xl/validation"),
  row: z.object({
    sentence: z.string().includes("_"),
    option1: z.string(),
    option2: z.string(),
    answer: z.enum(["1", "2"]),
  }),
  item({ sentence, option1, option2, answer }) {
    const gap = sentence.indexOf("_");
    const continuation = ` ${sentence.slice(gap + 1).trim()}`;
    const choices = [option1, option2].map((name) => ({ context: sentence.slice(0, gap) + name, continuation }));
    return { choices, gold: Number(answer) - 1 };
  },
});
