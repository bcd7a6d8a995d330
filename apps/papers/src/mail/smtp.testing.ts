/** A mail server on loopback that records its mail. */
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

/** A delivery step at which the server misbehaves. */
export type Step = "connect" | "sender" | "recipient" | "text";
type Trouble = { readonly at: Step; readonly code: number | "break" };

export class SmtpTesting {
  readonly mails: { readonly to: string; readonly raw: string }[] = [];
  /** The number of emails whose text began to arrive. */
  begun = 0;
  /** The reply at a step instead of acceptance: a code, or a broken connection. */
  trouble: Trouble | undefined;
  /** Called when a text has arrived completely, before the reply. */
  onText: () => Promise<void> = async () => {};
  readonly #server: SMTPServer;

  private constructor() {
    this.#server = new SMTPServer({
      ...{ authOptional: true, disabledCommands: ["STARTTLS"], logger: false, disableReverseLookup: true },
      onConnect: (session, done) => this.#answer("connect", session, done),
      onMailFrom: (_, session, done) => this.#answer("sender", session, done),
      onRcptTo: (_, session, done) => this.#answer("recipient", session, done),
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.once("data", () => this.begun++);
        stream.on("end", async () => {
          await this.onText();
          const to = session.envelope.rcptTo[0]!.address;
          if (this.trouble?.at !== "text") this.mails.push({ to, raw: Buffer.concat(chunks).toString() });
          this.#answer("text", session, done);
        });
      },
    });
    this.#server.on("error", () => {});
  }

  static async start(): Promise<SmtpTesting> {
    const smtp = new SmtpTesting();
    await new Promise<void>((resolve) => smtp.#server.listen(0, "127.0.0.1", resolve));
    return smtp;
  }

  #answer(step: Step, session: { id: string }, done: (error?: Error) => void): void {
    const code = this.trouble?.at === step ? this.trouble.code : undefined;
    if (code === "break") this.#break(session);
    else done(code === undefined ? undefined : Object.assign(new Error("no"), { responseCode: code }));
  }

  #break(session: { id: string }): void {
    for (const connection of this.#server.connections as Set<{ id: string; _socket: { destroy(): void } }>)
      if (connection.id === session.id) connection._socket.destroy();
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.#server.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** The decoded text of an email: headers unfolded, and its parts' quoted-printable decoded. */
export function readable(raw: string): string {
  const end = raw.indexOf("\r\n\r\n");
  return raw.slice(0, end).replace(/\r\n[ \t]+/g, " ") + fromQuotedPrintable(raw.slice(end));
}

function fromQuotedPrintable(text: string): string {
  const bytes = text
    .replace(/=\r\n/g, "")
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString();
}
