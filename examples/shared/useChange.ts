import { useState } from "react";
import type { Failure } from "./failure";

type Attempt<Input> = { input: Input; key: string; failure?: Failure };

/**
 * Sends changes, each at most once.
 *
 * A change has one idempotency key. After a failure that allows it, the change can be sent again with the same values
 * and the same key, so that it is not carried out twice. After any other response the next change gets a new key.
 */
export function useChange<Input>(
  save: (input: Input, idempotencyKey: string) => Promise<unknown>,
  failureOf: (error: unknown) => Failure,
) {
  const [attempt, setAttempt] = useState<Attempt<Input>>();
  const [saved, setSaved] = useState(false);

  async function send(input: Input, key: string) {
    setSaved(false);
    setAttempt({ input, key });
    try {
      await save(input, key);
      setAttempt(undefined);
      setSaved(true);
    } catch (error) {
      setAttempt({ input, key, failure: failureOf(error) });
    }
  }

  const failure = attempt?.failure;
  return {
    failure,
    saved,
    sending: attempt !== undefined && failure === undefined,
    send: (input: Input) => send(input, crypto.randomUUID()),
    sendAgain: attempt && failure?.retryable ? () => void send(attempt.input, attempt.key) : undefined,
    giveUp: () => setAttempt(undefined),
  };
}
