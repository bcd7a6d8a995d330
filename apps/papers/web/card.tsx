import type { Child } from "hono/jsx";
import type { MarkKind, Paper } from "../src/paper.ts";
import { address, count, paperPath } from "./format.ts";
import type { Marks } from "./marks.ts";
import { dayText } from "./periods.ts";

interface CardProps {
  readonly paper: Paper;
  readonly marks: Marks;
  readonly children?: Child;
}

/** A paper in a list; the reason for its listing comes between its facts and its text. */
export const Card = ({ paper, marks, children }: CardProps) => (
  <article id={`paper-${paper.id}`} class={marks.of(paper).has("read") ? "read" : undefined}>
    <h2>
      <a href={paperPath(paper.id)}>{paper.title}</a>
    </h2>
    <div class="line">
      <Facts paper={paper} />
      <Chips paper={paper} tags={marks.tagsOf(paper)} />
    </div>
    {children}
    {paper.abstract !== "" && <p class="text">{paper.summary?.text ?? paper.abstract}</p>}
    {paper.summary && <p class="quiet">Summary by {paper.summary.model}.</p>}
    <Actions paper={paper} marks={marks} />
  </article>
);

/** A paper's date, authors, votes and comments, where known; `whole`: names every author. */
export const Facts = ({ paper, whole = false }: { readonly paper: Paper; readonly whole?: boolean }) => {
  const known = facts(paper, whole);
  return (
    known.length > 0 && (
      <ul class="meta">
        {known.map((fact) => (
          <li>{fact}</li>
        ))}
      </ul>
    )
  );
};

function facts(paper: Paper, whole: boolean): string[] {
  const { published, yearAssumed, authors, authorCount, votes, readers, comments } = paper;
  const all = votes === null && readers.votes === 0 ? null : (votes ?? 0) + readers.votes;
  return [
    published && `${dayText(published)}${yearAssumed ? " (year assumed)" : ""}`,
    authorsText(authors, authorCount, whole ? Number.POSITIVE_INFINITY : 3),
    all !== null && count(all, "vote"),
    comments !== null && comments > 0 && count(comments, "comment"),
  ].filter((fact): fact is string => typeof fact === "string");
}

function authorsText(authors: readonly string[] | null, total: number | null, most: number): string | null {
  if (authors === null) return total === null ? null : count(total, "author");
  return authors.length > most ? `${authors[0]} and ${count(authors.length - 1, "other")}` : authors.join(", ");
}

interface ChipsProps {
  readonly paper: Paper;
  readonly tags: ReadonlySet<string>;
}

/** A tag as written in a filter. */
const quotedTag = (tag: string): string => (/^[^\s()"]+$/.test(tag) && !/^(and|or|not)$/.test(tag) ? tag : `"${tag}"`);

/** Topics and the reader's tags, each a link to the papers that have it. */
export const Chips = ({ paper: { topics }, tags }: ChipsProps) =>
  topics.length + tags.size > 0 && (
    <ul class="chips" aria-label="Topics and tags">
      {topics.map(({ label }) => (
        <li>
          <a href={address("/", { period: "all", topic: label })}>{label}</a>
        </li>
      ))}
      {[...tags].map((tag) => (
        <li>
          <a class="own" href={address("/", { period: "all", tags: quotedTag(tag) })}>
            #{tag}
          </a>
        </li>
      ))}
    </ul>
  );

const buttons: readonly (readonly [kind: MarkKind, off: string, on: string])[] = [
  ["save", "Save", "Saved"],
  ["vote", "Vote", "Voted"],
  ["read", "Mark as read", "Read"],
];

/** The buttons that mark a paper; a pressed one removes its mark. */
export const Actions = ({ paper, marks }: Omit<CardProps, "children">) => (
  <form class="actions" method="post" action={`${paperPath(paper.id)}/marks`}>
    <FormFields marks={marks} />
    {buttons.map(([kind, off, on]) => {
      const pressed = marks.of(paper).has(kind);
      return (
        <button
          type="submit"
          name="mark"
          value={`${pressed ? "off" : "on"}:${kind}`}
          data-action={kind}
          aria-pressed={pressed ? "true" : "false"}
          aria-label={`${off}: ${paper.title}`}
        >
          {pressed ? on : off}
        </button>
      );
    })}
  </form>
);

export const FormFields = ({ marks: { token, next } }: { readonly marks: Marks }) => (
  <>
    <input type="hidden" name="token" value={token} />
    <input type="hidden" name="next" value={next} />
  </>
);
