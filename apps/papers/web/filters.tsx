import { address } from "./format.ts";

interface FeedFiltersProps {
  readonly period: string;
  readonly date: string | undefined;
  readonly topic: string | undefined;
  readonly tags: string | undefined;
  readonly topics: readonly string[];
  /** The reader's tags. */
  readonly own: readonly string[];
}

/** The form that filters a period's papers. */
export const FeedFilters = ({ period, date, topic, tags, topics, own }: FeedFiltersProps) => (
  <details open={Boolean(topic || tags)}>
    <summary>Filter</summary>
    <form class="filters" action="/" method="get">
      <input type="hidden" name="period" value={period} />
      <label>
        Date
        <input type="date" name="date" value={date} />
      </label>
      <TopicField topic={topic} topics={topics} />
      <label>
        Your tags
        <input name="tags" value={tags} placeholder="sparse and not moe" list="own-tags" maxlength={400} />
      </label>
      <datalist id="own-tags">
        {own.map((tag) => (
          <option value={tag} />
        ))}
      </datalist>
      <button type="submit">Apply</button>
      {(topic || tags) && (
        <a class="button" href={address("/", { period, date })}>
          Clear
        </a>
      )}
    </form>
  </details>
);

interface SearchFiltersProps {
  readonly query: string;
  readonly topic: string | undefined;
  readonly topics: readonly string[];
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export const SearchFilters = ({ query, topic, topics, from, to }: SearchFiltersProps) => (
  <details open={Boolean(topic || from || to)}>
    <summary>Filter</summary>
    <form class="filters" action="/search" method="get">
      <input type="hidden" name="q" value={query} />
      <TopicField topic={topic} topics={topics} />
      <label>
        Listed from
        <input type="date" name="from" value={from} />
      </label>
      <label>
        to
        <input type="date" name="to" value={to} />
      </label>
      <button type="submit">Apply</button>
    </form>
  </details>
);

const TopicField = ({ topic, topics }: { readonly topic: string | undefined; readonly topics: readonly string[] }) =>
  topics.length > 0 && (
    <label>
      Topic
      <select name="topic">
        <option value="">All topics</option>
        {topics.map((label) => (
          <option selected={label === topic}>{label}</option>
        ))}
      </select>
    </label>
  );
