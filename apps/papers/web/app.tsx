import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { UserError } from "modicum";
import { page } from "./layout.tsx";
import { refusal } from "./refusal.ts";
import { accountPage, askSignIn, deleteAccount, deletePage, enter, enterPage, leave } from "./routes/account.tsx";
import { feed } from "./routes/feed.tsx";
import { atomFeed, receipts, topics } from "./routes/lists.tsx";
import { mark, tag } from "./routes/marks.ts";
import { forYou, saved } from "./routes/mine.tsx";
import { paper } from "./routes/paper.tsx";
import { search } from "./routes/search.tsx";
import { stepPage, subscribe, subscribePage, takeStep } from "./routes/subscribe.tsx";
import { SCRIPT } from "./script.ts";
import { securityHeaders } from "./security.ts";
import type { Site } from "./site.ts";
import { STYLE } from "./style.ts";

/** The maximum size of a form, in bytes. */
const MOST_BODY = 16_384;

const pages = {
  "/": feed,
  "/search": search,
  "/papers/:id": paper,
  "/saved": saved,
  "/for-you": forYou,
  "/topics": topics,
  "/receipts": receipts,
  "/atom.xml": atomFeed,
  "/subscribe": subscribePage,
  "/subscribe/confirm": stepPage("confirm"),
  "/unsubscribe": stepPage("unsubscribe"),
  "/account": accountPage,
  "/account/enter": enterPage,
  "/account/delete": deletePage,
};

/** The pages as a function from requests to responses. `report` receives errors that are not the reader's. */
export function createSite(site: Site, report: (error: Error) => void): Hono {
  const app = new Hono();
  app.use(securityHeaders);
  app.use(bodyLimit({ maxSize: MOST_BODY, onError: () => Promise.reject(refusal(413, "this form is too long")) }));
  for (const [path, answer] of Object.entries(pages)) app.get(path, (c) => answer(site, c));
  app.post("/papers/:id/marks", (c) => mark(site, c));
  app.post("/papers/:id/tags", (c) => tag(site, c));
  app.post("/subscribe", (c) => subscribe(site, c));
  app.post("/subscribe/confirm", (c) => takeStep("confirm")(site, c));
  app.post("/unsubscribe", (c) => takeStep("unsubscribe")(site, c));
  app.post("/account", (c) => askSignIn(site, c));
  app.post("/account/enter", (c) => enter(site, c));
  app.post("/account/leave", (c) => leave(site, c));
  app.post("/account/delete", (c) => deleteAccount(site, c));
  app.get("/style.css", (c) => asset(c, "text/css", STYLE));
  app.get("/script.js", (c) => asset(c, "text/javascript", SCRIPT));
  app.notFound((c) => failed(c, 404, "there is no page at this address"));
  app.onError((error, c) => {
    if (error instanceof HTTPException) return failed(c, error.status, error.message, error.res?.headers);
    if (error instanceof UserError) return failed(c, 400, error.message);
    report(error);
    return failed(c, 500, "something went wrong here; the server's console says more");
  });
  return app;
}

const asset = (c: Context, type: string, text: string): Response =>
  c.body(text, 200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-cache" });

function failed(c: Context, status: number, message: string, headers?: Headers): Response {
  const body = (
    <>
      <h1>{status === 404 ? "Not found" : "That did not work"}</h1>
      <p class="empty">{`${message[0]!.toUpperCase()}${message.slice(1)}.`}</p>
    </>
  );
  const response = new Response(page({ title: "Daily papers", url: c.req.url }, body), { status });
  response.headers.set("content-type", "text/html; charset=utf-8");
  for (const [name, value] of headers ?? []) response.headers.set(name, value);
  return response;
}
