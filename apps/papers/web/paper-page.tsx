import type { Paper } from "../src/paper.ts";
import type { KeptReceipt } from "../src/store/receipts.ts";
import { Actions, Chips, Facts, FormFields } from "./card.tsx";
import { paperPath } from "./format.ts";
import type { Marks } from "./marks.ts";
import { dayText } from "./periods.ts";
import { Receipts } from "./receipts.tsx";
import { webLink } from "./security.ts";

interface PaperPageProps {
  readonly paper: Paper;
  readonly marks: Marks;
  readonly similar: readonly Paper[];
  /** The reason why there are no similar papers; undefined if there are some. */
  readonly missing: string | undefined;
  readonly receipts: readonly KeptReceipt[];
}

/** One paper with all its data. */
export const PaperPage = ({ paper, marks, similar, missing, receipts }: PaperPageProps) => (
  <div class="paper">
    <h1>{paper.title}</h1>
    <Facts paper={paper} whole />
    <div id="marks">
      <Actions paper={paper} marks={marks} />
    </div>
    {paper.summary && (
      <section aria-label="Summary">
        <p class="text">{paper.summary.text}</p>
        <p class="quiet">
          Made by a model: {[paper.summary.model, ...paper.summary.recipe].join(" · ")}.{" "}
          {paper.summary.keywords.length > 0 && `Key words: ${paper.summary.keywords.join(", ")}.`}
        </p>
      </section>
    )}
    {paper.abstract === "" ? (
      <p class="quiet">The source gave no abstract.</p>
    ) : (
      paper.abstract.split(/\n\s*\n/).map((part) => <p class="text">{part}</p>)
    )}
    <Details paper={paper} />
    <Tags paper={paper} marks={marks} />
    <section>
      <h2>Similar papers</h2>
      {similar.length === 0 ? <p class="quiet">{missing ?? "There are none yet."}</p> : <Similar papers={similar} />}
    </section>
    <section>
      <h2>What this paper cost</h2>
      {receipts.length === 0 ? (
        <p class="quiet">No model has worked on this paper by itself; shared work is among all receipts.</p>
      ) : (
        <Receipts receipts={receipts} />
      )}
      <p class="quiet">
        <a href="/receipts">All receipts</a>
      </p>
    </section>
  </div>
);

const Similar = ({ papers }: { readonly papers: readonly Paper[] }) => (
  <ul class="similar">
    {papers.map((paper) => (
      <li>
        <a href={paperPath(paper.id)}>{paper.title}</a>
        <Facts paper={paper} />
      </li>
    ))}
  </ul>
);

const Details = ({ paper: { arxiv, links, listed, categories } }: { readonly paper: Paper }) => {
  const all = [...(arxiv === null ? [] : [`https://arxiv.org/abs/${arxiv}`]), ...links];
  const safe = [...new Set(all.flatMap((url) => webLink(url) ?? []))];
  return (
    <dl>
      {listed && <dt>Listed</dt>}
      {listed && <dd>{dayText(listed)}</dd>}
      {categories.length > 0 && <dt>Categories</dt>}
      {categories.length > 0 && <dd>{categories.join(", ")}</dd>}
      <dt>Links</dt>
      <dd>{safe.length === 0 ? "The source gave none." : safe.map((url) => <SourceLink url={url} />)}</dd>
    </dl>
  );
};

const SourceLink = ({ url }: { readonly url: string }) => (
  <div>
    <a href={url} rel="noopener nofollow">
      {url.replace(/^https?:\/\/(www\.)?/, "")}
    </a>
  </div>
);

const Tags = ({ paper, marks }: Pick<PaperPageProps, "paper" | "marks">) => (
  <section>
    <h2>Topics and your tags</h2>
    <Chips paper={{ ...paper }} tags={new Set()} />
    <div class="tagged actions">
      {[...marks.tagsOf(paper)].map((tag) => (
        <form method="post" action={`${paperPath(paper.id)}/tags`}>
          <FormFields marks={marks} />
          <input type="hidden" name="tag" value={tag} />
          <button type="submit" name="change" value="off" aria-label={`Remove the tag ${tag}`}>
            #{tag} <span aria-hidden="true">×</span>
          </button>
        </form>
      ))}
      <form class="actions" method="post" action={`${paperPath(paper.id)}/tags`}>
        <FormFields marks={marks} />
        <label class="hidden" for="tag">
          New tag
        </label>
        <input id="tag" name="tag" required maxlength={40} placeholder="New tag" list="own-tags" autocomplete="off" />
        <button type="submit" name="change" value="on">
          Add tag
        </button>
      </form>
      <datalist id="own-tags">
        {marks.tags.map((tag) => (
          <option value={tag} />
        ))}
      </datalist>
    </div>
  </section>
);
