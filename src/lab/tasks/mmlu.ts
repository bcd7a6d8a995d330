import { z } from "zod";
import { suggest, UserError } from "../../util/errors.ts";
import { splits } from "../data/olmo.ts";
import { accuracy } from "../metrics/index.ts";
import type { TaskOf } from "../task.ts";
import { afterSpace } from "./choices.ts";
import { type Family, readOptions } from "./family.ts";
import { fromRows } from "./from-rows.ts";

const subjects = (
  "abstract_algebra anatomy astronomy business_ethics clinical_knowledge college_biology college_chemistry " +
  "college_computer_science college_mathematics college_medicine college_physics computer_security conceptual_physics " +
  "econometrics electrical_engineering elementary_mathematics formal_logic global_facts high_school_biology " +
  "high_school_chemistry high_school_computer_science high_school_european_history high_school_geography " +
  "high_school_government_and_politics high_school_macroeconomics high_school_mathematics high_school_microeconomics " +
  "high_school_physics high_school_psychology high_school_statistics high_school_us_history high_school_world_history " +
  "human_aging human_sexuality international_law jurisprudence logical_fallacies machine_learning management marketing " +
  "medical_genetics miscellaneous moral_disputes moral_scenarios nutrition philosophy prehistory professional_accounting " +
  "professional_law professional_medicine professional_psychology public_relations security_studies sociology " +
  "us_foreign_policy virology world_religions"
).split(" ");

const letters = ["A", "B", "C", "D"];

const subjectTask = (name: string, chosen: readonly string[], size: number | undefined): TaskOf<"choice"> =>
  fromRows({
    name,
    summary: "Exams in 57 subjects: MMLU, test (arXiv 2009.03300), no examples",
    kind: "choice",
    size,
    metrics: [accuracy],
    place: splits(...chosen.map((subject) => `hails/mmlu_no_train/${subject}/test`)),
    row: z.object({
      subject: z.string(),
      question: z.string(),
      choices: z.array(z.string()).length(4),
      answer: z.int().min(0).max(3),
    }),
    item: ({ subject, question, choices, answer }, number) => ({
      id: `${subject}-${number}`,
      ...afterSpace(promptOf(subject, question, choices), letters, answer),
    }),
  });

const promptOf = (subject: string, question: string, choices: readonly string[]): string =>
  `The following are multiple choice questions (with answers) about ${subject.replaceAll("_", " ")}.\n\n` +
  `${[question.trim(), ...choices.map((choice, i) => `${letters[i]}. ${choice}`), "Answer:"].join("\n")}`;

const options = z.strictObject({ subject: z.string().optional() });

const whole = subjectTask("mmlu", subjects, 14_042);

export const mmlu: Family = {
  ...whole,
  usage: "[SUBJECT]",
  make(text) {
    const { subject } = readOptions("mmlu", options, text, "subject");
    if (subject === undefined) return whole;
    if (!subjects.includes(subject))
      throw new UserError(`mmlu: there is no subject "${subject}"${suggest(subject, subjects)}`, 2);
    return subjectTask(`mmlu:${subject}`, [subject], undefined);
  },
};
