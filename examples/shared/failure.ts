/** A broken rule of the input. By `rule` and its bounds a form can word it itself, in any language. */
export type Violation = { field: string; message: string; rule: string; min?: number; max?: number };

/** Why an operation failed, as far as a page shows it. */
export type Failure = {
  message: string;
  /** Whether the same request, with the same idempotency key, may succeed now or tell what has become of the first. */
  retryable: boolean;
  /** Whether the change may have been saved nevertheless. */
  unknown: boolean;
  violations: Violation[];
};

type GraphQLError = { message: string; path?: readonly unknown[]; extensions?: Record<string, unknown> };

/** Whether a change failed. An error with a longer path is that of a field of its result: the change was saved. */
export const isOfChange = ({ path }: GraphQLError) => !path || path.length === 1;

/** Returns the failure that the errors of a response report. */
export function reported(errors: readonly GraphQLError[]): Failure {
  const extensions = errors.map((error) => error.extensions ?? {});
  const unknown = extensions.some((each) => each["outcome"] === "unknown");
  return {
    message: errors.map((error) => error.message).join(" "),
    // With another key, a change with an unknown outcome might be carried out twice.
    retryable: unknown || extensions.every((each) => each["retryable"] === true),
    unknown,
    violations: extensions.flatMap((each) => (each["violations"] ?? []) as Violation[]),
  };
}

/** Returns the failure of a request without a response: it may have been executed. */
export function unanswered(error: unknown): Failure {
  return { message: `There was no response (${String(error)}).`, retryable: true, unknown: true, violations: [] };
}

const WORDINGS: Record<string, (violation: Violation) => string> = {
  required: () => "Please fill in this field.",
  notNull: () => "Please fill in this field.",
  minLength: ({ min }) => `Please use at least ${min} characters.`,
  maxLength: ({ max }) => `Please use at most ${max} characters.`,
  unique: () => "Somebody else has this already.",
  maxBytes: ({ max = 0 }) => `Please choose a file of at most ${(max / 2 ** 20).toFixed(0)} MiB.`,
  mediaType: () => "Please choose a picture.",
  content: () => "Please choose a picture.",
};

/** Returns a message that continues after the name of the field as a sentence; those of sources are sentences already. */
const sentenceOf = (message: string) => (/^(must|is|has|cannot) /.test(message) ? `This ${message}.` : message);

/** Returns what is wrong with one field; the field of a violation is its path in the variables, `input.email`. */
export function problemOf(name: string, failure?: Failure): string | undefined {
  const broken = failure?.violations.filter(({ field }) => field === `input.${name}`);
  return broken?.map((each) => WORDINGS[each.rule]?.(each) ?? sentenceOf(each.message)).join(" ") || undefined;
}

/** Returns what to show above a form: the message, unless all that it reports is shown at these fields. */
export function summaryOf({ message, violations }: Failure, names: readonly string[]): string {
  const atFields = violations.length > 0 && violations.every(({ field }) => names.includes(field.replace("input.", "")));
  return atFields ? "Please look at the marked fields." : message;
}
