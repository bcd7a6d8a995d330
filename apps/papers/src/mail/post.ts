import { Readable } from "node:stream";
import SMTPConnection from "nodemailer/lib/smtp-connection/index.js";

/** The result of one attempt. */
export type Outcome =
  | { readonly kind: "sent" }
  /** A permanent refusal: the server answered 5xx to the recipient or the text. */
  | { readonly kind: "refused"; readonly reason: string }
  /** A temporary failure: the server did not accept the mail. */
  | { readonly kind: "later"; readonly reason: string }
  /** The connection broke while the text was being sent. */
  | { readonly kind: "unknown"; readonly reason: string }
  /** Another process is sending the email. */
  | { readonly kind: "taken" };

export interface Envelope {
  readonly from: string;
  readonly to: string;
}

/** Sends mail. */
export interface Post {
  /**
   * Sends a message. `mark` is called after the server has accepted the recipient and before the first byte of the
   * text; if it returns false, nothing is sent.
   */
  send(envelope: Envelope, message: Buffer, mark: () => Promise<boolean>): Promise<Outcome>;
}

/** Milliseconds without an answer after which the server counts as unavailable. */
const PATIENCE = 60_000;
const LOOPBACK = /^(localhost|127\.|\[::1\])/;

type Failure = SMTPConnection.SMTPError;

/** A mail server, with one connection per message. Passwords are sent only over TLS, except to this machine. */
export class SmtpPost implements Post {
  constructor(private readonly server: URL) {}

  async send(envelope: Envelope, message: Buffer, mark: () => Promise<boolean>): Promise<Outcome> {
    const connection = new SMTPConnection(this.#options());
    const progress = { marked: false, taken: false };
    try {
      await settled((done) => connection.once("error", done).connect(done));
      if (this.server.username !== "") await settled((done) => connection.login(this.#credentials(), done));
      const text = Readable.from(afterMark(message, mark, progress));
      await settled((done) => connection.once("error", done).send({ ...envelope }, text, done));
      connection.quit();
      return { kind: "sent" };
    } catch (error) {
      return progress.taken ? { kind: "taken" } : outcomeOf(error as Failure, progress.marked);
    } finally {
      connection.on("error", () => {});
      connection.close();
    }
  }

  #options(): SMTPConnection.Options {
    const { protocol, hostname, port, username } = this.server;
    const secure = protocol === "smtps:";
    return {
      ...{ host: hostname.replace(/^\[|\]$/g, ""), secure, port: port === "" ? (secure ? 465 : 587) : Number(port) },
      requireTLS: !secure && username !== "" && !LOOPBACK.test(hostname),
      ...{ connectionTimeout: PATIENCE, greetingTimeout: PATIENCE, socketTimeout: PATIENCE },
    };
  }

  #credentials(): SMTPConnection.Credentials {
    return { user: decodeURIComponent(this.server.username), pass: decodeURIComponent(this.server.password) };
  }
}

/** Yields the text, which is read only when the server is ready for it. */
async function* afterMark(
  message: Buffer,
  mark: () => Promise<boolean>,
  progress: { marked: boolean; taken: boolean },
) {
  progress.taken = !(await mark());
  if (progress.taken) throw new Error("another process is sending this mail");
  progress.marked = true;
  yield message;
}

const settled = (start: (done: (error?: Failure | null) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));

function outcomeOf({ message, responseCode, command }: Failure, marked: boolean): Outcome {
  const isPermanent = responseCode !== undefined && responseCode >= 500;
  if (isPermanent && (marked || command === "RCPT TO" || command === "DATA"))
    return { kind: "refused", reason: message };
  if (marked && responseCode === undefined) return { kind: "unknown", reason: message };
  return { kind: "later", reason: message };
}
