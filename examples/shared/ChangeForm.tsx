import { type FormEvent, useState } from "react";
import { type Failure, problemOf, summaryOf } from "./failure";
import type { Field } from "./fields";
import { Alert } from "./page";
import { useChange } from "./useChange";

/** The changed fields alone: an absent one stays as it is, null clears. */
export type Input = Record<string, string | null>;

type Props = {
  fields: readonly Field[];
  values: Record<string, string | null | undefined>;
  save: (input: Input, idempotencyKey: string) => Promise<unknown>;
  failureOf: (error: unknown) => Failure;
  /** Reads again what the form shows. */
  reload?: () => void;
};

/** A form that sends the fields that were changed, and shows each violation at its field. */
export function ChangeForm({ fields, values, save, failureOf, reload }: Props) {
  // Only what was typed: the other fields follow the user, which somebody else may change meanwhile.
  const [edits, setEdits] = useState<Record<string, string>>({});
  const change = useChange(async (input: Input, key) => {
    await save(input, key);
    setEdits({});
  }, failureOf);
  const { failure, sending, saved, sendAgain } = change;
  const names = fields.map(({ name }) => name);
  const changed = fields.filter(({ name }) => edits[name] !== undefined && edits[name] !== (values[name] ?? ""));

  function submit(event: FormEvent) {
    event.preventDefault();
    const input = changed.map(({ name, options }): [string, string | null] => {
      const value = edits[name] ?? "";
      return [name, options && value === "" ? null : value];
    });
    void change.send(Object.fromEntries(input));
  }
  function startAfresh() {
    setEdits({});
    change.giveUp();
    reload?.();
  }

  return (
    <form onSubmit={submit} noValidate>
      <fieldset disabled={sending || sendAgain !== undefined}>
        {fields.map((field) => (
          <FormField
            key={field.name}
            field={field}
            value={edits[field.name] ?? values[field.name] ?? ""}
            problem={problemOf(field.name, failure)}
            setValue={(value) => setEdits({ ...edits, [field.name]: value })}
          />
        ))}
        <button disabled={changed.length === 0}>{sending ? "Saving…" : "Save"}</button>
      </fieldset>
      {saved && changed.length === 0 && <output>Saved.</output>}
      {failure && <FailureNotice failure={failure} fields={names} sendAgain={sendAgain} startAfresh={startAfresh} />}
    </form>
  );
}

type FieldProps = { field: Field; value: string; problem: string | undefined; setValue: (value: string) => void };

function FormField({ field: { name, label, options }, value, problem, setValue }: FieldProps) {
  const onChange = ({ target }: { target: { value: string } }) => setValue(target.value);
  const control = { name, value, onChange, "aria-invalid": problem !== undefined };
  return (
    <label>
      {label}
      {options ? (
        <select {...control}>
          <option value="">none</option>
          {options.map((option) => <option key={option.id} value={option.id}>{option.name}</option>)}
        </select>
      ) : (
        <input {...control} />
      )}
      {problem && <em>{problem}</em>}
    </label>
  );
}

type NoticeProps = {
  failure: Failure;
  /** The names of the fields that show their violations. */
  fields: readonly string[];
  sendAgain: (() => void) | undefined;
  startAfresh: () => void;
};

/** States whether a failed change was saved, and offers what can be done now. */
export function FailureNotice({ failure, fields, sendAgain, startAfresh }: NoticeProps) {
  const title = failure.unknown ? "It is not known whether this was saved." : "This was not saved.";
  const again = sendAgain && <button type="button" onClick={sendAgain}>Send again</button>;
  return (
    <Alert title={title} action="Start afresh" onAction={startAfresh} more={again}>
      {summaryOf(failure, fields)}
    </Alert>
  );
}
