import type { Context } from "hono";
import { UserError } from "modicum";
import type { WishInput } from "../../src/mail/wish.ts";
import { address as pathWith } from "../format.ts";
import { marksOf } from "../marks.ts";
import { limited, refusal } from "../refusal.ts";
import { readerOf, type Site, show } from "../site.ts";
import { StepPage, SubscribePage } from "../subscribe-page.tsx";
import { formOf } from "./form.ts";

const frame = { title: "Papers by mail · Daily papers" };

/** The form at `/subscribe`. */
export const subscribePage = (site: Site, c: Context): Promise<Response> => form(site, c);

async function form(site: Site, c: Context, fault?: string, address?: string): Promise<Response> {
  const { store } = site.papers;
  const marks = await marksOf(store, await readerOf(site, c), "/subscribe");
  const topics = await store.topics.labels();
  return show(site, c, frame, <SubscribePage {...{ topics, marks, fault, address }} off={site.mailing.off} />);
}

/** `POST /subscribe`: asks the address's owner to confirm by mail. The answer is the same for every address. */
export async function subscribe(site: Site, c: Context): Promise<Response> {
  const sent = await formOf(site, c);
  limited(site.limits.subscribe.wait(site.clientOf(c)));
  const address = sent.text("address");
  try {
    const tags = sent.all("tag");
    await site.mailing.subscribe(address, {
      frequency: sent.text("frequency") as WishInput["frequency"],
      ...{ topics: sent.all("topic"), tags, reader: tags.length > 0 ? sent.reader.key : null },
      most: Number(sent.text("most")),
    });
  } catch (error) {
    if (error instanceof UserError) return form(site, c, error.message, address);
    throw error;
  }
  const text =
    "An email is on its way to this address; open the link in it within two days. Nothing is sent before that.";
  return show(site, c, frame, <StepPage title="Check your mailbox" text={text} />);
}

/** The actions behind mailed links: each is a page with a button that sends a POST to the same address. */
const steps = {
  confirm: {
    path: "/subscribe/confirm",
    ask: { title: "Confirm your subscription", text: "One more click, and digests will come.", label: "Confirm" },
    done: { title: "You are subscribed", text: "The next digest will come to your mailbox, with an unsubscribe link." },
  },
  unsubscribe: {
    path: "/unsubscribe",
    ask: { title: "Unsubscribe", text: "No further digest will come to your mailbox.", label: "Unsubscribe" },
    done: { title: "You are unsubscribed", text: "No further mail will come." },
  },
} as const;

type Step = keyof typeof steps;

export const stepPage =
  (step: Step) =>
  (site: Site, c: Context): Response => {
    const { path, ask } = steps[step];
    const action = pathWith(path, { token: c.req.query("token") });
    return show(site, c, frame, <StepPage {...ask} button={{ label: ask.label, action }} />);
  };

/** Runs the action. Mail programs also post here (RFC 8058), without a form token: the link's token is enough. */
export const takeStep =
  (step: Step) =>
  async (site: Site, c: Context): Promise<Response> => {
    const token = c.req.query("token") ?? "";
    if (!(await site.mailing[step](token))) throw refusal(404, "this link does not work any more");
    return show(site, c, frame, <StepPage {...steps[step].done} />);
  };
