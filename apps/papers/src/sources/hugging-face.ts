import { z } from "zod";
import { arxivId } from "../identity.ts";
import { checked, Entries, oneLine, type Parsed } from "./source.ts";

const text = z.string("expected a text");
const time = z.iso.datetime({ offset: true, error: "expected a time such as 2025-03-20T00:00:00.000Z" });
const count = z.int("expected a whole number").min(0);

/** The fields to read from an entry of `huggingface.co/api/daily_papers`. The format was not checked live. */
const entrySchema = z.object({
  paper: z.object({
    id: text,
    title: text,
    summary: text.nullish(),
    authors: z.array(z.object({ name: text })).nullish(),
    publishedAt: time.nullish(),
    submittedOnDailyAt: time.nullish(),
    upvotes: count.nullish(),
    projectPage: text.nullish(),
    githubRepo: text.nullish(),
  }),
  numComments: count.nullish(),
});
type Entry = z.output<typeof entrySchema>;

/** Reads the JSON of Hugging Face's daily papers. `submittedOnDailyAt` is the day of listing. */
export function parseHuggingFace(value: readonly unknown[]): Parsed {
  const found = new Entries();
  for (const [i, each] of value.entries()) found.add(`entry ${i + 1}`, () => inputOf(checked(entrySchema, each)));
  return found;
}

function inputOf({ paper, numComments }: Entry) {
  const names = paper.authors?.map(({ name }) => oneLine(name)).filter((name) => name !== "") ?? [];
  return {
    arxiv: arxivId(paper.id),
    ...{ title: oneLine(paper.title), abstract: oneLine(paper.summary ?? "") },
    authors: names.length > 0 ? names : null,
    authorCount: names.length > 0 ? names.length : null,
    published: paper.publishedAt?.slice(0, 10) ?? null,
    listed: paper.submittedOnDailyAt?.slice(0, 10) ?? null,
    ...{ votes: paper.upvotes ?? null, comments: numComments ?? null },
    links: [`https://huggingface.co/papers/${paper.id}`, paper.projectPage, paper.githubRepo].filter(Boolean),
  };
}
