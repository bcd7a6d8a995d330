/**
 * Questions that are hard to answer at once and easy in steps: the result of repeating x → 5·x + 3 modulo 97. `npx tsx
 * research/thinking/chains.ts FILE` writes the chats that think-tiny is trained on.
 */
import { writeFileSync } from "node:fs";
import { seededRandom, shuffle } from "../../src/util/random.ts";

const MODULUS = 97;
const [FEWEST, MOST] = [3, 9];
const SAMPLES = 30_000;
const EFFORTS = ["high", "high", "low", "low", "none"] as const;
type Effort = (typeof EFFORTS)[number];
/** Share of reasoning that ends at a random character, as under a budget: the model is to answer all the same. */
const CUT = 0.1;

export interface Chain {
  /** The number of steps and the start, as in 9:42. */
  readonly question: string;
  readonly answer: string;
  /** Steps with the multiplication, steps that say its result alone, or nothing. */
  readonly reasoning: Readonly<Record<Effort, string>>;
}

const next = (value: number): number => (5 * value + 3) % MODULUS;
const twoDigits = (value: number): string => `${value}`.padStart(2, "0");

function chainOf(count: number, start: number): Chain {
  const values = [start];
  while (values.length <= count) values.push(next(values.at(-1)!));
  const written = values.map(twoDigits);
  const steps = written.slice(1).map((value, i) => {
    const remaining = count - i - 1;
    return { high: `${remaining}:5*${written[i]}+3=${value}`, low: `${remaining}:${value}` };
  });
  const joined = (effort: "high" | "low") => steps.map((step) => step[effort]).join(" ");
  return {
    question: `${count}:${written[0]}`,
    answer: written.at(-1)!,
    reasoning: { high: joined("high"), low: joined("low"), none: "" },
  };
}

/** All chains, in a random order: the first are for tests, and the others are trained on. */
function chains(): Chain[] {
  const counts = Array.from({ length: MOST - FEWEST + 1 }, (_, i) => FEWEST + i);
  const all = counts.flatMap((count) => Array.from({ length: MODULUS }, (_, start) => chainOf(count, start)));
  return shuffle(all, seededRandom(0));
}
const TESTED = 140;

export const testChains = (): Chain[] => chains().slice(0, TESTED);

/** Chats as the model's template writes them: an effort below the highest is a system message. */
function chats(): object[] {
  const trained = chains().slice(TESTED);
  const random = seededRandom(1);
  return Array.from({ length: SAMPLES }, (_, i) => {
    const { question, answer, reasoning } = trained[Math.floor(random() * trained.length)]!;
    const effort = EFFORTS[i % EFFORTS.length]!;
    const system = effort === "high" ? [] : [{ role: "system", content: `reasoning: ${effort}` }];
    const steps = reasoning[effort];
    const shown = random() < CUT ? steps.slice(0, Math.floor(random() * steps.length)) : steps;
    const reply = { role: "assistant", reasoning_content: shown, content: answer };
    return { messages: [...system, { role: "user", content: question }, reply] };
  });
}

if (process.argv[1] === import.meta.filename) {
  const lines = chats().map((chat) => `${JSON.stringify(chat)}\n`);
  writeFileSync(process.argv[2]!, lines.join(""));
}
