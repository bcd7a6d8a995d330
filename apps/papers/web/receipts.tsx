import type { KeptReceipt, Task } from "../src/store/receipts.ts";
import { flops, milliseconds } from "./format.ts";

const tasks: Readonly<Record<Task, string>> = {
  index: "Indexed",
  search: "Searched",
  topics: "Topics found",
  summary: "Summarised",
  rerank: "Reranked",
  digest: "Digest made",
};

const percent = (share: number): string => `${(share * 100).toFixed(share === 0 ? 0 : 1)} %`;

/** Receipts as a table, one receipt per row. */
export const Receipts = ({ receipts }: { readonly receipts: readonly KeptReceipt[] }) => (
  <section class="scroll" aria-label="Table of receipts" tabindex={0}>
    <table>
      <thead>
        <tr>
          <th scope="col">Done</th>
          <th scope="col">By</th>
          <th scope="col" class="number">
            Spent
          </th>
          <th scope="col" class="number">
            Saved
          </th>
          <th scope="col" class="number">
            Time
          </th>
          <th scope="col">On</th>
        </tr>
      </thead>
      <tbody>
        {receipts.map((receipt) => (
          <Row {...receipt} />
        ))}
      </tbody>
    </table>
  </section>
);

const Row = ({ task, receipt }: KeptReceipt) => (
  <tr>
    <td>{tasks[task]}</td>
    <td>{[receipt.model, ...receipt.recipe].join(" · ")}</td>
    <td class="number">{flops(receipt.flops.spent)}</td>
    <td class="number">{percent(receipt.flops.saved)}</td>
    <td class="number">{milliseconds(receipt.ms.total)}</td>
    <td>{receipt.created.slice(0, 16).replace("T", " ")}</td>
  </tr>
);
