// The panel below the response: the calls to the sources that an operation took, on one time axis, and its price.

import { useEditorContext } from "@graphiql/react";
import { useEffect, useSyncExternalStore } from "react";
import "./calls.css";
import { activate, onReport, reportOf, type Call, type Cost } from "./reports";

const MEANINGS: Record<Call["kind"], string> = {
  call: "A request for this operation",
  batched: "A request for several records that were looked up at the same time",
  retry: "Another attempt after a transient failure",
  hedge: "The second request of a slow read",
  shared: "No request: the response to an equal one that was under way",
  kept: "No request: the records were in the cache, or read for the page before",
  waited: "No request: the wait for the rate limit of the source, or before a retry",
};
const SENT = ["call", "batched", "retry", "hedge"];

const milliseconds = (value: number) => `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ms`;
const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export function CallsPanel() {
  const { tabs, activeTabIndex } = useEditorContext({ nonNull: true });
  const tab = tabs[activeTabIndex].id;
  useEffect(() => activate(tab), [tab]);
  const report = useSyncExternalStore(onReport, () => reportOf(tab));
  if (!report?.calls && !report?.cost) return null;
  const { calls, cost } = report;
  return (
    <details className="calls" open>
      <summary>
        {calls && <b>{summary(calls)}</b>}
        {cost && <span>{price(cost)}</span>}
      </summary>
      {calls && calls.length > 0 && <CallList calls={calls} />}
    </details>
  );
}

function CallList({ calls }: { calls: Call[] }) {
  const end = Math.max(...calls.map(({ start, duration }) => start + duration), 0.1);
  return (
    <ol>
      {calls.map((call, index) => (
        <CallRow key={index} call={call} end={end} />
      ))}
      <li className="axis" aria-hidden>
        <span>0</span>
        <span>{milliseconds(end / 2)}</span>
        <span>{milliseconds(end)}</span>
      </li>
    </ol>
  );
}

/** One call; its bar is positioned in a track that stands for the time until `end`. */
function CallRow({ call, end }: { call: Call; end: number }) {
  const { source, method, template, status, start, duration, kind } = call;
  const failed = typeof status === "string" ? status !== "cancelled" : (status ?? 0) >= 400;
  const percent = (time: number) => `${(100 * time) / end}%`;
  return (
    <li className={failed ? `${kind} failed` : kind}>
      <span className="source">{source}</span>
      <span className="request" title={`${method} ${template}`}>
        {method} {template}
      </span>
      <span className="status">{status}</span>
      <span className="kind" title={MEANINGS[kind]}>
        {kind !== "call" && kind}
      </span>
      <span className="track" title={`from ${milliseconds(start)} to ${milliseconds(start + duration)}`}>
        <span className="bar" style={{ left: percent(start), width: percent(duration) }} />
      </span>
      <span className="duration">{milliseconds(duration)}</span>
    </li>
  );
}

function summary(calls: Call[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of calls) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const sent = calls.filter(({ kind }) => SENT.includes(kind)).length;
  const others = [...counts].filter(([kind]) => kind !== "call").map(([kind, count]) => `${count} ${kind}`);
  return [plural(sent, "call"), ...others].join(", ");
}

function price({ requested, limit, remaining }: Cost): string {
  const [cost, most, left] = [requested, limit, remaining].map((value) => value?.toLocaleString("en"));
  return `cost ${cost}${left ? `, ${left} left` : ` of at most ${most}`}`;
}
