import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { csrf } from "hono/csrf";
import { Sessions } from "./sessions.ts";
import { type ConsoleOptions, Visit } from "./visit.ts";

/** Maximum bytes of a form. */
const MOST_BODY = 131_072;

/** The server with a console at `/`: a client of the API, for people. Other requests go to the API. */
export function withConsole(options: ConsoleOptions): Hono {
  const sessions = new Sessions();
  const app = new Hono();
  const visit = (c: Context) => new Visit(options, sessions, c);
  app.get("/", (c) => (acceptsHtml(c) ? visit(c).page() : options.answer(c.req.raw)));
  app.use("/console/*", bodyLimit({ maxSize: MOST_BODY }), csrf({ origin: ofThisServer }));
  app.post("/console/sign-in", (c) => visit(c).signIn());
  app.post("/console/sign-out", (c) => visit(c).signOut());
  app.post("/console/chat", (c) => visit(c).chat());
  app.all("*", (c) => options.answer(c.req.raw));
  return app;
}

const acceptsHtml = (c: Context): boolean => c.req.header("accept")?.includes("text/html") === true;

/** True if a form comes from a page of this server, even behind a proxy that terminates TLS. */
const ofThisServer = (origin: string, c: Context): boolean =>
  URL.canParse(origin) && new URL(origin).host === c.req.header("host");
