import type { Paper } from "../src/paper.ts";
import { Card } from "./card.tsx";
import { Empty } from "./feed-page.tsx";
import { paperPath } from "./format.ts";
import type { Marks } from "./marks.ts";
import { FEWEST } from "./recommend.ts";

/** A recommended paper, and the saved papers behind it. */
export interface Recommended {
  readonly paper: Paper;
  readonly because: readonly Paper[];
}

interface ForYouProps {
  /** The recommendations; undefined if there is too little data. */
  readonly recommended: readonly Recommended[] | undefined;
  readonly saved: number;
  /** The reason why recommendations are off for everybody. */
  readonly missing: string | undefined;
  readonly marks: Marks;
}

/** Papers like the reader's saved ones. */
export const ForYouPage = ({ recommended, saved, missing, marks }: ForYouProps) => (
  <>
    <h1>For you</h1>
    {recommended ? (
      <p class="quiet">Papers like the {saved} that you saved, the most alike first. Nobody else's marks count here.</p>
    ) : (
      <Empty>{missing ?? tooLittle(saved)}</Empty>
    )}
    <div class="feed">
      {recommended?.map(({ paper, because }) => (
        <Card paper={paper} marks={marks}>
          {because.length > 0 && <Why because={because} />}
        </Card>
      ))}
    </div>
  </>
);

const Why = ({ because }: { readonly because: readonly Paper[] }) => (
  <p class="why">
    Because you saved{" "}
    {because.map(({ id, title }, i) => (
      <>
        {i > 0 && " and "}
        <a href={paperPath(id)}>{title}</a>
      </>
    ))}
  </p>
);

function tooLittle(saved: number): string {
  if (saved >= FEWEST) return `You have saved nearly all papers, so there is nothing left to recommend.`;
  const more = FEWEST - saved;
  return `You have saved ${saved === 0 ? "no papers" : saved === 1 ? "one paper" : `${saved} papers`} so far. Save ${more} more, and this page will show similar ones.`;
}
