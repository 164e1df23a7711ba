import { FailureNotice } from "./ChangeForm";
import { type Failure, problemOf } from "./failure";
import { useChange } from "./useChange";

type Props = {
  upload: (icon: File, idempotencyKey: string) => Promise<unknown>;
  /** The share of the file that was sent, from 0 to 1. */
  progress: number;
  failureOf: (error: unknown) => Failure;
};

/** Uploads a picture as soon as it is selected. */
export function IconForm({ upload, progress, failureOf }: Props) {
  const { failure, saved, sending, send, sendAgain, giveUp } = useChange(upload, failureOf);
  const problem = problemOf("icon", failure);
  return (
    <>
      <label>
        New picture
        <input
          type="file"
          accept="image/*"
          disabled={sending || sendAgain !== undefined}
          aria-invalid={problem !== undefined}
          onChange={({ target: { files } }) => files?.[0] && void send(files[0])}
        />
        {problem && <em>{problem}</em>}
      </label>
      {sending && <progress aria-label="Upload" value={progress} />}
      {saved && <output>Picture saved.</output>}
      {failure && <FailureNotice failure={failure} fields={["icon"]} sendAgain={sendAgain} startAfresh={giveUp} />}
    </>
  );
}
