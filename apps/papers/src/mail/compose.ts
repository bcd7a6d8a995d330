import MailComposer from "nodemailer/lib/mail-composer/index.js";
import type { Texts } from "./texts.ts";

export interface Addressed extends Texts {
  readonly from: string;
  readonly to: string;
  /** Message-ID without brackets. */
  readonly message: string;
  readonly date: Date;
  /** A link that ends the subscription with one POST. */
  readonly unsubscribe?: string | undefined;
}

/** Builds an email, with headers for one-click unsubscription (RFC 8058) if it has an unsubscribe link. */
export function compose({ message, unsubscribe, from, ...mail }: Addressed): Promise<Buffer> {
  const headers = unsubscribe && {
    "List-Unsubscribe": `<${unsubscribe}>`,
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
  };
  return new MailComposer({
    ...mail,
    from: { name: "Daily papers", address: from },
    messageId: `<${message}>`,
    ...(headers && { headers }),
    // The text is untrusted, so it may not make nodemailer read files or addresses.
    ...{ disableFileAccess: true, disableUrlAccess: true },
  })
    .compile()
    .build();
}
