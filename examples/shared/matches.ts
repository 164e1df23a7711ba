import type { Source } from "./page";

type User = { source: Source; name?: string | null; email?: string | null };
type Filter = { sources?: readonly Source[] | null; search?: string | null };

/** Whether a user that has just been created belongs into a list with this filter. */
export function matches({ source, name, email }: User, { sources, search }: Filter): boolean {
  const text = `${name} ${email}`.toLowerCase();
  return (!sources || sources.includes(source)) && (!search || text.includes(search.toLowerCase()));
}
