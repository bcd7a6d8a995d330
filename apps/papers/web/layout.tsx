import type { Child } from "hono/jsx";
import type { Periods } from "./periods.ts";

/** The fields of a page. */
export interface Frame {
  readonly title: string;
  /** The page's own address, for Open Graph. */
  readonly url: string;
  /** The page's entry in the menu. */
  readonly here?: Periods | "saved" | "for-you" | "topics" | undefined;
  /** The search field's text. */
  readonly query?: string | undefined;
  /** The address of the same list as an Atom feed. */
  readonly feed?: string | undefined;
  readonly about?: About | undefined;
}

/** A page's description for Open Graph. */
interface About {
  readonly type: "website" | "article";
  readonly description: string;
  /** The date of publication, in ISO format. */
  readonly published?: string | undefined;
}

const menu = [
  ["day", "/", "Newest day"],
  ["week", "/?period=week", "Week"],
  ["month", "/?period=month", "Month"],
  ["all", "/?period=all", "All"],
  ["topics", "/topics", "Topics"],
  ["saved", "/saved", "Saved"],
  ["for-you", "/for-you", "For you"],
] as const;

/** A whole page. */
export const page = (frame: Frame, body: Child): string => `<!doctype html>${<Page frame={frame}>{body}</Page>}`;

const Page = ({ frame, children }: { readonly frame: Frame; readonly children?: Child }) => (
  <html lang="en">
    <Head frame={frame} />
    <body>
      <a class="skip" href="#main">
        Skip to the papers
      </a>
      <header>
        <a class="name" href="/">
          Daily papers
        </a>
        <a class="button mail" href="/subscribe">
          Get trending papers by mail
        </a>
        <Find query={frame.query} />
        <nav aria-label="Papers">
          <ul>
            {menu.map(([key, href, label]) => (
              <li>
                <a href={href} aria-current={frame.here === key ? "page" : undefined}>
                  {label}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <main id="main">{children}</main>
      <Foot feed={frame.feed} />
    </body>
  </html>
);

const Head = ({ frame: { title, url, feed, about } }: { readonly frame: Frame }) => (
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>{title}</title>
    <link rel="stylesheet" href="/style.css" />
    <link rel="icon" href="data:," />
    {feed && <link rel="alternate" type="application/atom+xml" title={title} href={feed} />}
    <script src="/script.js" defer />
    <meta property="og:site_name" content="Daily papers" />
    <meta property="og:title" content={title} />
    <meta property="og:url" content={url} />
    <meta property="og:type" content={about?.type ?? "website"} />
    {about && <meta property="og:description" content={about.description} />}
    {about && <meta name="description" content={about.description} />}
    {about?.published && <meta property="article:published_time" content={about.published} />}
  </head>
);

const Find = ({ query = "" }: { readonly query?: string | undefined }) => (
  <search>
    <form class="find" action="/search" method="get">
      <label class="hidden" for="q">
        Search papers
      </label>
      <input
        id="q"
        name="q"
        type="search"
        value={query}
        placeholder="Search papers"
        autocomplete="off"
        maxlength={200}
      />
      <button type="submit">Search</button>
    </form>
  </search>
);

const Foot = ({ feed }: { readonly feed?: string | undefined }) => (
  <footer>
    {feed && <a href={feed}>Atom feed</a>}
    <a href="/account">Account</a>
    <span class="keys">
      <kbd>j</kbd> <kbd>k</kbd> next and previous paper, <kbd>/</kbd> search
    </span>
  </footer>
);
