import { FormFields } from "./card.tsx";
import { Empty } from "./feed-page.tsx";
import type { Marks } from "./marks.ts";

interface SubscribeProps {
  /** The reason why nobody can subscribe; absent if subscribing works. */
  readonly off: string | undefined;
  readonly topics: readonly string[];
  readonly marks: Marks;
  /** The error in the submitted form. */
  readonly fault?: string | undefined;
  readonly address?: string | undefined;
}

export const SubscribePage = ({ off, topics, marks, fault, address }: SubscribeProps) => (
  <>
    <h1>Papers by mail</h1>
    {off ? (
      <Empty>{off}</Empty>
    ) : (
      <>
        <p class="quiet">
          A digest of trending papers each day or week. Your address is confirmed by a first mail, is shown to nobody,
          and one click ends it.
        </p>
        {fault && (
          <p class="fault" role="alert">
            {fault}
          </p>
        )}
        <SubscribeForm topics={topics} marks={marks} address={address} />
      </>
    )}
  </>
);

const SubscribeForm = ({ topics, marks, address }: Omit<SubscribeProps, "off" | "fault">) => (
  <form class="long" method="post" action="/subscribe">
    <FormFields marks={marks} />
    <label>
      Mail address
      <input type="email" name="address" value={address} required maxlength={254} autocomplete="email" />
    </label>
    <label>
      How often
      <select name="frequency">
        <option value="daily">Each day</option>
        <option value="weekly">Each week</option>
      </select>
    </label>
    <label>
      Papers of a digest, at most
      <input type="number" name="most" value="10" min={1} max={50} required />
    </label>
    <Choices name="topic" title="Only these topics (none: all)" values={topics} />
    <Choices name="tag" title="Only papers that you gave these tags (none: all)" values={marks.tags} />
    <div>
      <button class="main" type="submit">
        Subscribe
      </button>
    </div>
  </form>
);

interface ChoicesProps {
  readonly name: string;
  readonly title: string;
  readonly values: readonly string[];
}

const Choices = ({ name, title, values }: ChoicesProps) =>
  values.length > 0 && (
    <fieldset>
      <legend>{title}</legend>
      {values.map((value) => (
        <label class="choice">
          <input type="checkbox" name={name} value={value} /> {value}
        </label>
      ))}
    </fieldset>
  );

interface StepProps {
  readonly title: string;
  readonly text: string;
  /** The button for the action, since programs that follow links in mail do not press buttons. */
  readonly button?: { readonly label: string; readonly action: string } | undefined;
}

/** One action of a subscription. */
export const StepPage = ({ title, text, button }: StepProps) => (
  <>
    <h1>{title}</h1>
    <p class="empty">{text}</p>
    {button && (
      <form method="post" action={button.action}>
        <button class="main" type="submit">
          {button.label}
        </button>
      </form>
    )}
  </>
);
