import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { UserError } from "modicum";
import { checked } from "../sources/source.ts";
import type { Content, Mail, MailState } from "../store/outbox.ts";
import type { Store } from "../store.ts";
import { compose } from "./compose.ts";
import { digestFor } from "./digest.ts";
import { type MailOptions, type MailSettings, settingsOf } from "./options.ts";
import { periodAt } from "./period.ts";
import { type Post, SmtpPost } from "./post.ts";
import { confirmTexts, digestTexts, signInTexts } from "./texts.ts";
import { LIFETIME } from "./tokens.ts";
import { addressSchema, type Wish, type WishInput, wishSchema } from "./wish.ts";

const MINUTE = 60_000;
/** Milliseconds within which an address gets at most one confirmation link and one sign-in link. */
const ASKED_AGAIN = 10 * MINUTE;
/** The longest wait between two attempts, in milliseconds. */
const LONGEST = 6 * 60 * MINUTE;

/** The outcome of one round of mail. */
export type Sent = Readonly<Record<Exclude<MailState, "waiting"> | "postponed", number>>;

/** Subscriptions and their mail. Each mail is sent at most once, whatever stops the process. */
export class Mailing {
  /** The reason why nobody can subscribe or sign in; undefined if mail works. */
  readonly off: string | undefined;
  readonly #settings: MailSettings | undefined;
  readonly #post: Post | undefined;
  #woken = new AbortController();
  #isFirst = true;

  constructor(
    private readonly store: Store,
    options: MailOptions,
    /** Called with notices for the operator, for example that the mail server is unavailable. */
    private readonly onNotice: (sentence: string) => void = () => {},
    post?: Post,
  ) {
    const settings = settingsOf(options);
    if (typeof settings === "string") this.off = settings;
    else [this.#settings, this.#post] = [settings, post ?? new SmtpPost(settings.smtp)];
  }

  /**
   * Asks the owner of an address to confirm a subscription. This does not reveal whether the address is subscribed.
   * @throws UserError for an invalid address or wish, or if mail is off
   */
  async subscribe(address: string, wish: WishInput, now = Date.now()): Promise<void> {
    if (this.off) throw new UserError(this.off);
    const [to, content] = [
      checked(addressSchema, address),
      { kind: "confirm", wish: checked(wishSchema, wish) } as const,
    ];
    await this.#sendLink(to, content, now);
  }

  /**
   * Sends a link that signs a browser in to an address. This does not reveal whether the address has an account.
   * @throws UserError for an invalid address, or if mail is off
   */
  async askSignIn(address: string, now = Date.now()): Promise<void> {
    if (this.off) throw new UserError(this.off);
    await this.#sendLink(checked(addressSchema, address), { kind: "sign-in" }, now);
  }

  async #sendLink(address: string, content: Exclude<Content, { kind: "digest" }>, now: number): Promise<void> {
    const [last] = await this.store.outbox.to(address, content.kind);
    if (last && now - last.at < ASKED_AGAIN) return;
    const period = new Date(now).toISOString();
    const message = this.#messageId(`${content.kind} ${address}`, period);
    await this.store.outbox.add({ message, address, period, content, at: now });
    this.#woken.abort();
  }

  /** Confirms a subscription by its link. Returns its wish; undefined if the link no longer works. */
  async confirm(token: string, now = Date.now()): Promise<Wish | undefined> {
    const subject = await this.store.subscriptions.subject("confirm", token, now);
    if (subject === undefined) return undefined;
    const { address, wish } = JSON.parse(subject) as { address: string; wish: Wish };
    return (await this.store.subscriptions.activate(address, wish)).wish;
  }

  /** Ends the subscription that an email's link is for; false if the link no longer works. */
  async unsubscribe(token: string, now = Date.now()): Promise<boolean> {
    const address = await this.store.subscriptions.subject("unsubscribe", token, now);
    if (address === undefined) return false;
    await this.store.subscriptions.end(address, "unsubscribed");
    return true;
  }

  /** One round: creates due digests, and sends waiting mail. @throws UserError if mail is off */
  async round(now = Date.now()): Promise<Sent> {
    const [settings, post] = [this.#settings, this.#post];
    if (!settings || !post) throw new UserError(this.off ?? "mail is off");
    await this.store.outbox.forgetAsked(now - LIFETIME.confirm);
    await this.store.subscriptions.forgetTokens(now);
    await this.#tellUnknown();
    await this.#makeDigests(now);
    const sent = { sent: 0, refused: 0, unknown: 0, postponed: 0 };
    for (const mail of await this.store.outbox.due(now)) {
      const became = await this.#send(mail, settings, post, now);
      if (became) sent[became]++;
    }
    return sent;
  }

  /** Runs a round every minute, and whenever somebody subscribes, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Renewed before the round, so that a subscription during the round triggers another one.
      this.#woken = new AbortController();
      await this.round().catch((error: Error) => this.onNotice(`mail: ${error.message}`));
      await setTimeout(MINUTE, undefined, { signal: AbortSignal.any([signal, this.#woken.signal]) }).catch(() => {});
    }
  }

  /** Reports mail that an earlier process began to send before it died. */
  async #tellUnknown(): Promise<void> {
    if (!this.#isFirst) return;
    this.#isFirst = false;
    for (const message of await this.store.outbox.explain("its process ended while it was being sent"))
      this.onNotice(
        `mail: a process ended while sending ${message}; it may or may not have been sent, and is not sent again`,
      );
  }

  async #makeDigests(now: number): Promise<void> {
    for (const subscription of await this.store.subscriptions.active()) {
      const { id, address, wish } = subscription;
      const period = periodAt(wish.frequency, now);
      const [last] = await this.store.outbox.to(address, "digest");
      if (last?.period === period || last?.state === "waiting") continue;
      const content = await digestFor(this.store, subscription);
      const message = this.#messageId(id, period);
      if (content) await this.store.outbox.add({ message, address, period, content, at: now });
    }
  }

  #messageId(who: string, period: string): string {
    const hash = createHash("sha256").update(`${who}\n${period}`).digest("hex").slice(0, 40);
    return `${hash}@${new URL(this.#settings!.url).hostname}`;
  }

  async #send(mail: Mail, settings: MailSettings, post: Post, now: number): Promise<keyof Sent | undefined> {
    const { outbox, subscriptions } = this.store;
    const { message, address, tries } = mail;
    const text = await this.#compose(mail, settings, now);
    if (!text) {
      await outbox.settle(message, "refused", "its subscription or its papers are gone");
      return "refused";
    }
    const outcome = await post.send({ from: settings.from, to: address }, text, () => outbox.mark(message));
    switch (outcome.kind) {
      case "sent":
        await outbox.settle(message, "sent");
        return "sent";
      case "refused":
        await outbox.settle(message, "refused", outcome.reason);
        await subscriptions.end(address, "stopped", outcome.reason);
        this.onNotice(`mail: an address was refused permanently and gets no more mail: ${outcome.reason}`);
        return "refused";
      case "later":
        await outbox.postpone(message, now + Math.min(LONGEST, MINUTE * 2 ** tries), outcome.reason);
        this.onNotice(`mail: not sent, will be retried: ${outcome.reason}`);
        return "postponed";
      case "unknown":
        await outbox.settle(message, "unknown", outcome.reason);
        this.onNotice(
          `mail: the connection broke; ${message} may or may not have been sent, and is not resent: ${outcome.reason}`,
        );
        return "unknown";
      case "taken":
        return undefined;
    }
  }

  /** The email's text with new links; undefined if its subscription has ended. */
  async #compose(mail: Mail, { from, url }: MailSettings, now: number): Promise<Buffer | undefined> {
    const { address, message, content, at } = mail;
    const head = { from, to: address, message, date: new Date(at) };
    const { subscriptions, papers } = this.store;
    switch (content.kind) {
      case "confirm": {
        const token = await subscriptions.token("confirm", JSON.stringify({ address, wish: content.wish }), now);
        return compose({ ...head, ...confirmTexts(content.wish, `${url}/subscribe/confirm?token=${token}`) });
      }
      case "sign-in": {
        const token = await subscriptions.token("sign-in", address, now);
        return compose({ ...head, ...signInTexts(`${url}/account/enter?token=${token}`) });
      }
      case "digest": {
        const found = await papers.many(content.papers);
        if ((await subscriptions.of(address))?.state !== "active" || found.length === 0) return undefined;
        const unsubscribe = `${url}/unsubscribe?token=${await subscriptions.token("unsubscribe", address, now)}`;
        const shown = { papers: found, receipt: content.receipt, url, unsubscribe };
        return compose({ ...head, ...digestTexts(shown), unsubscribe });
      }
    }
  }
}
