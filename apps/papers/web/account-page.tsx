import { Empty } from "./feed-page.tsx";

interface AccountProps {
  /** The token that the reader's forms send. */
  readonly token: string;
  /** The address that this browser is signed in with. */
  readonly signedIn: string | undefined;
  /** The reason why no link can be mailed; absent if links can be mailed. */
  readonly off: string | undefined;
  /** The error in the submitted form. */
  readonly fault?: string | undefined;
  readonly address?: string | undefined;
}

/** The page about an account, which is optional and lets several browsers act as one reader. */
export const AccountPage = ({ signedIn, off, ...form }: AccountProps) => (
  <>
    <h1>Account</h1>
    {signedIn !== undefined ? (
      <SignedIn address={signedIn} token={form.token} />
    ) : off ? (
      <Empty>Signing in needs mail. {off}</Empty>
    ) : (
      <SignIn {...form} />
    )}
  </>
);

const SignIn = ({ token, fault, address }: Omit<AccountProps, "signedIn" | "off">) => (
  <>
    <p class="quiet">
      You need no account. With one, several browsers have the same saved and read papers, votes and tags. There is no
      password: a link is mailed to you, which works once, for an hour. Your address is shown to nobody else.
    </p>
    {fault && (
      <p class="fault" role="alert">
        {fault}
      </p>
    )}
    <form class="long" method="post" action="/account">
      <input type="hidden" name="token" value={token} />
      <label>
        Mail address
        <input type="email" name="address" value={address} required maxlength={254} autocomplete="email" />
      </label>
      <div>
        <button class="main" type="submit">
          Mail me a link
        </button>
      </div>
    </form>
  </>
);

const SignedIn = ({ address, token }: { readonly address: string; readonly token: string }) => (
  <>
    <p class="empty">This browser is signed in as {address}.</p>
    <form method="post" action="/account/leave">
      <input type="hidden" name="token" value={token} />
      <button class="main" type="submit">
        Sign out
      </button>
    </form>
    <p>
      <a href="/account/delete">Delete this account</a>
    </p>
  </>
);

/** Asks before an account is deleted. */
export const DeletePage = ({ address, token }: { readonly address: string; readonly token: string }) => (
  <>
    <h1>Delete your account</h1>
    <p>
      Saved and read papers, votes, tags and mail of {address} are deleted, and each browser that is signed in is a new
      reader. This cannot be undone.
    </p>
    <form class="actions" method="post" action="/account/delete">
      <input type="hidden" name="token" value={token} />
      <button class="danger" type="submit">
        Delete the account of {address}
      </button>
      <a class="button" href="/account">
        Keep it
      </a>
    </form>
  </>
);

interface EnterProps {
  readonly token: string;
  /** The address that the link was mailed to. */
  readonly address: string;
  /** The address that this browser is signed in with. */
  readonly signedIn: string | undefined;
  readonly action: string;
}

/** The page behind a mailed link, with a button, since programs that follow links in mail do not press buttons. */
export const EnterPage = ({ token, address, signedIn, action }: EnterProps) => (
  <>
    <h1>Sign in</h1>
    <p class="empty">
      {signedIn === undefined || signedIn === address
        ? `What you saved, read, voted for and tagged in this browser goes into the account of ${address}.`
        : `This browser leaves the account of ${signedIn}, which keeps its contents, and joins the account of ${address}.`}
    </p>
    <form method="post" action={action}>
      <input type="hidden" name="token" value={token} />
      <button class="main" type="submit">
        Sign in as {address}
      </button>
    </form>
  </>
);
