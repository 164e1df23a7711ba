/** A field of a form; one with options is a choice that can be cleared. */
export type Field = { name: string; label: string; options?: readonly Option[] };
type Option = { id: string; name: string };

const EMAIL: Field = { name: "email", label: "E-mail" };
const FIRST_NAME: Field = { name: "firstName", label: "First name" };
const LAST_NAME: Field = { name: "lastName", label: "Last name" };

export const MARKETPLACE_FIELDS = [FIRST_NAME, LAST_NAME, EMAIL];
export const RESELLER_FIELDS = [FIRST_NAME, LAST_NAME, { name: "company", label: "Company" }];

// Null: they could not be read.
type Choices = { [list in "roles" | "departments"]?: { nodes: readonly Option[] } | null };
type Current = { role?: Option | null; department?: Option | null };

/** Returns the fields of a user of the account source; the choices may not have been read yet. */
export function accountFields(choices?: Choices, current: Current = {}): Field[] {
  return [
    { name: "name", label: "Name" },
    EMAIL,
    { name: "username", label: "User name" },
    { name: "roleId", label: "Role", options: withCurrent(current.role, choices?.roles?.nodes) },
    { name: "departmentId", label: "Department", options: withCurrent(current.department, choices?.departments?.nodes) },
  ];
}

/** The present choice is an option too if the list has not been read, or is longer than its first page. */
function withCurrent(current?: Option | null, options: readonly Option[] = []): readonly Option[] {
  return !current || options.some(({ id }) => id === current.id) ? options : [current, ...options];
}
