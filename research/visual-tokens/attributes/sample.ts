import { type Scene, textOf } from "../../../src/lab/data/attributes/scene.ts";
import { IMAGE } from "../../../src/lab/data/attributes/words.ts";
import { shuffle } from "../../../src/util/random.ts";

/** The number of shapes whose presence is asked about. */
const ANY = 2;

interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** A picture, and questions of all kinds about it in random order. Answers alone are labels. */
export function sample({ cells, questions }: Scene, random: () => number): { messages: Message[] } {
  const any = shuffle(
    questions.filter(({ kind }) => kind === "any"),
    random,
  ).slice(ANY);
  const cases = shuffle(
    questions.filter((question) => !any.includes(question)),
    random,
  );
  const messages = cases.flatMap(({ words, answer }, i): Message[] => [
    { role: "user", content: textOf([...(i === 0 ? [IMAGE, ...cells] : []), ...words]) },
    { role: "assistant", content: textOf(answer) },
  ]);
  return { messages };
}
