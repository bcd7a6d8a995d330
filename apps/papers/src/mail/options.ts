import { z } from "zod";

/** A mail server as an address, such as `smtp://user:password@mail.example.org:587`. */
const smtp = z
  .string()
  .regex(/^smtps?:\/\/[^/]+\/?$/, "expected an address such as smtp://user:password@mail.example.org:587")
  .optional()
  .describe("the mail server, smtp://user:password@host:port or smtps://… (default: MODICUM_PAPERS_SMTP)");

export const mailOptions = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: "expected an http or https address" })
    .optional()
    .describe("public address of the pages; links in mail need https"),
  smtp,
  from: z.email("expected an address such as papers@example.org").optional().describe("sender of the mail"),
});

export type MailOptions = Readonly<z.output<typeof mailOptions>>;

/** Settings with which mail can be sent. */
export interface MailSettings {
  readonly smtp: URL;
  readonly from: string;
  readonly url: string;
}

/** The settings, or a sentence that says what is missing. */
export function settingsOf({ smtp, from, url }: MailOptions): MailSettings | string {
  if (url === undefined || !url.startsWith("https://"))
    return "Mail is off: links in mail need an https address of these pages, set by --url.";
  if (smtp === undefined) return "Mail is off: there is no mail server, set by --smtp.";
  if (from === undefined) return "Mail is off: mail has no sender, set by --from.";
  return { smtp: new URL(smtp), from, url: url.replace(/\/$/, "") };
}
