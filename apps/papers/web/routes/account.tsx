import type { Context } from "hono";
import { UserError } from "modicum";
import { AccountPage, DeletePage, EnterPage } from "../account-page.tsx";
import { address as pathWith } from "../format.ts";
import { giveCookie, newVisit } from "../reader.ts";
import { limited, refusal } from "../refusal.ts";
import { isSecure, readerOf, type Site, show } from "../site.ts";
import { StepPage } from "../subscribe-page.tsx";
import { formOf } from "./form.ts";

const frame = { title: "Account · Daily papers" };

/** `/account`: the address that this browser is signed in with, or a form for a link. */
export const accountPage = (site: Site, c: Context): Promise<Response> => form(site, c);

async function form(site: Site, c: Context, fault?: string, address?: string): Promise<Response> {
  const { browser, token } = await readerOf(site, c);
  const signedIn = await site.papers.store.accounts.address(browser);
  return show(site, c, frame, <AccountPage {...{ token, signedIn, fault, address }} off={site.mailing.off} />);
}

/** `POST /account`: mails a link. The answer is the same for every address. */
export async function askSignIn(site: Site, c: Context): Promise<Response> {
  const sent = await formOf(site, c);
  limited(site.limits.subscribe.wait(site.clientOf(c)));
  const address = sent.text("address");
  try {
    await site.mailing.askSignIn(address);
  } catch (error) {
    if (error instanceof UserError) return form(site, c, error.message, address);
    throw error;
  }
  const text =
    "An email is on its way to this address, at most one in ten minutes. Open its link within an hour, in any browser.";
  return show(site, c, frame, <StepPage title="Check your mailbox" text={text} />);
}

/** `/account/enter?token=`: a button that uses the mailed link; viewing it does not use it up. */
export async function enterPage(site: Site, c: Context): Promise<Response> {
  const { accounts, subscriptions } = site.papers.store;
  const link = c.req.query("token") ?? "";
  const address = await subscriptions.subject("sign-in", link, Date.now());
  if (address === undefined) throw refusal(404, DEAD);
  const { browser, token } = await readerOf(site, c);
  const signedIn = await accounts.address(browser);
  const action = pathWith("/account/enter", { token: link });
  return show(site, c, frame, <EnterPage {...{ token, address, signedIn, action }} />);
}

const DEAD = "this link does not work any more; ask for a new one on the account page";

/** `POST /account/enter`: signs the browser in, with a new cookie, so that knowing the old cookie is useless. */
export async function enter(site: Site, c: Context): Promise<Response> {
  const { reader } = await formOf(site, c);
  const fresh = newVisit();
  const link = c.req.query("token") ?? "";
  const address = await site.papers.store.accounts.signIn(link, reader.browser, fresh.browser, Date.now());
  if (address === undefined) throw refusal(404, DEAD);
  giveCookie(c, fresh, isSecure(site, c));
  return c.redirect("/account", 303);
}

/** `POST /account/leave`: signs the browser out; it is then a new reader. */
export async function leave(site: Site, c: Context): Promise<Response> {
  const { reader } = await formOf(site, c);
  if (reader.key !== reader.browser) {
    await site.papers.store.accounts.signOut(reader.browser);
    giveCookie(c, newVisit(), isSecure(site, c));
  }
  return c.redirect("/account", 303);
}

/** `/account/delete`: asks whether to delete this browser's account. */
export async function deletePage(site: Site, c: Context): Promise<Response> {
  const { browser, token } = await readerOf(site, c);
  const address = await site.papers.store.accounts.address(browser);
  return address === undefined
    ? c.redirect("/account", 303)
    : show(site, c, frame, <DeletePage {...{ address, token }} />);
}

/** `POST /account/delete`: deletes the account; the browser is then a new reader. */
export async function deleteAccount(site: Site, c: Context): Promise<Response> {
  const { reader } = await formOf(site, c);
  const address = await site.papers.store.accounts.remove(reader.browser);
  if (address === undefined) return c.redirect("/account", 303);
  giveCookie(c, newVisit(), isSecure(site, c));
  const text = `Everything that names ${address} has been deleted from the database. Backups and mail servers may keep it.`;
  return show(site, c, frame, <StepPage title="Your account has been deleted" text={text} />);
}
