import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Mailing } from "../src/mail/mail.ts";
import { mailOptions } from "../src/mail/options.ts";
import type { Envelope, Outcome, Post } from "../src/mail/post.ts";
import { type PaperInput, paperInputSchema } from "../src/paper.ts";
import { Papers } from "../src/papers.ts";
import { openStore } from "../src/store.ts";
import { createSite } from "./app.tsx";
import type { Reranking } from "./rerank.ts";
import { siteOf } from "./serve.ts";

/** Opens the pages with papers in memory, searched by words alone. */
export async function openSite(inputs: readonly PaperInput[], reranking?: Reranking) {
  const folder = mkdtempSync(join(tmpdir(), "modicum-papers-web-"));
  const papers = new Papers(await openStore(":memory:"), { folder, embedding: "none" });
  await papers.add(inputs.map((input) => paperInputSchema.parse(input)));
  const post = new KeptPost();
  const mailing = new Mailing(
    papers.store,
    mailOptions.parse({ url: URL_OF_SITE, smtp: "smtp://localhost", from: "papers@papers.example" }),
    undefined,
    post,
  );
  const faults: Error[] = [];
  const site = { ...siteOf({ papers, mailing, url: URL_OF_SITE }, "none", () => "client"), reranking };
  const app = createSite(site, (error) => faults.push(error));
  const close = async () => {
    await papers.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return {
    papers,
    mailing,
    post,
    site,
    faults,
    close,
    visitor: () => new Visitor((path, init) => app.request(path, init)),
  };
}

const URL_OF_SITE = "https://papers.example";

/** A mail server that accepts everything. */
export class KeptPost implements Post {
  readonly mails: { readonly to: string; readonly raw: string }[] = [];

  async send({ to }: Envelope, message: Buffer, mark: () => Promise<boolean>): Promise<Outcome> {
    if (!(await mark())) return { kind: "taken" };
    this.mails.push({ to, raw: message.toString() });
    return { kind: "sent" };
  }
}

type Ask = (path: string, init: RequestInit) => Response | Promise<Response>;

/** A browser without scripts: stores its cookie, and sends forms with the token of the last page. */
export class Visitor {
  #cookie = "";
  #token = "";

  constructor(private readonly ask: Ask) {}

  async get(path: string): Promise<{ status: number; text: string; headers: Headers }> {
    const response = await this.ask(path, { headers: { cookie: this.#cookie } });
    this.#cookie = response.headers.get("set-cookie")?.split(";")[0] ?? this.#cookie;
    const text = await response.text();
    this.#token = /name="token" value="([^"]+)"/.exec(text)?.[1] ?? this.#token;
    return { status: response.status, text, headers: response.headers };
  }

  async post(path: string, fields: Readonly<Record<string, string>>): Promise<Response> {
    const body = new URLSearchParams({ token: this.#token, next: "/", ...fields });
    const response = await this.ask(path, { method: "POST", headers: { cookie: this.#cookie }, body });
    this.#cookie = response.headers.get("set-cookie")?.split(";")[0] ?? this.#cookie;
    return response;
  }
}
