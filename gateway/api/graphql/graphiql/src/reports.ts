// What the server reported about the last run of each tab: the price, and the calls to the sources
// (docs/limits.md).

/** One entry of `extensions.calls`; times in milliseconds, `start` since the start of the operation. */
export interface Call {
  source: string;
  method: string;
  /** The path without ids. */
  template: string;
  /** An HTTP status, the code of an error, `cancelled`, or null without a request. */
  status: number | string | null;
  start: number;
  duration: number;
  kind: "call" | "shared" | "batched" | "kept" | "retry" | "hedge" | "waited";
}

export interface Cost {
  requested: number;
  /** What one operation may cost. */
  limit: number;
  /** What the caller may still spend; absent without such a limit. */
  remaining?: number;
}

export interface Report {
  calls?: Call[];
  cost?: Cost;
}

const reports = new Map<string, Report>();
const listeners = new Set<() => void>();
let activeTab = "";

/** The tab that is shown, in which every run is started. */
export function activate(tab: string) {
  activeTab = tab;
}

export const reportOf = (tab: string): Report | undefined => reports.get(tab);

export function onReport(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Returns the function that shows a report in the tab that is active now, instead of the one before. */
export function reporter(): (report: Report) => void {
  const tab = activeTab;
  return (report) => {
    reports.set(tab, report);
    listeners.forEach((listener) => listener());
  };
}
