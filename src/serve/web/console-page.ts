import { Html, html } from "../../util/html.ts";
import { STYLE } from "./style.ts";

interface PageProps {
  readonly version: string;
  /** True for visitors with a session, who can end it. */
  readonly signedIn: boolean;
  readonly menu: boolean;
}

/** The beginning of a page without scripts; sections follow, then `PAGE_END`. */
export const pageStart = ({ version, signedIn, menu }: PageProps): Html =>
  html`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Modicum console</title><link rel="icon" href="data:,"><style>${new Html(STYLE)}</style>
<header><h1>Modicum ${version}</h1>${menu ? MENU : NOTHING}${signedIn ? SIGN_OUT : NOTHING}</header><main>`;

export const PAGE_END = html`</main></html>`;

const NOTHING = html``;

const MENU = html`<nav aria-label="Console"><a href="#chat">Compare</a><a href="#models">Models</a><a href="#spent">Spent</a><a href="#frontiers">Frontiers</a><a href="#keys">Keys</a><a href="/docs">API</a></nav>`;

const SIGN_OUT = html`<form method="post" action="/console/sign-out"><button type="submit">Sign out</button></form>`;

/** Asks for an admin key. */
export const signInSection = (fault: string | undefined): Html => html`<section><h2>Sign in</h2>
<p class="quiet">The console is for admins. <code>modicum keys create NAME --scope admin</code> creates a key.</p>
${fault === undefined ? NOTHING : html`<p class="fault" role="alert">${fault}</p>`}
<form class="sign-in" method="post" action="/console/sign-in"><label>Admin key<input type="password" name="key" required autocomplete="current-password" maxlength="200"></label>
<div><button class="main" type="submit">Sign in</button></div></form></section>`;

export const faultSection = (fault: string): Html =>
  html`<section><h2>The console cannot be shown</h2><p class="fault" role="alert">${fault}</p></section>`;
