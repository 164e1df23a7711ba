import { type ReactNode, useEffect, useRef, useState, useSyncExternalStore } from "react";

/** The URL of the gateway's GraphQL API. */
export const GATEWAY: string = import.meta.env.VITE_GATEWAY_URL ?? "http://127.0.0.1:8000/graphql";

export const SOURCES = { ACCOUNT: "Account", SOFTWAREONE: "SoftwareOne", RESELLER: "Reseller" } as const;
export type Source = keyof typeof SOURCES;

/** Returns the path after `#` in the address, as decoded segments. */
export function usePath(): string[] {
  const subscribe = (changed: () => void) => {
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  };
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return hash.slice(2).split("/").map(decodeURIComponent);
}

export const statusOf = (user: { status?: string | null }) => user.status?.toLowerCase().replace("_", " ");
export const pathTo = (...segments: string[]) => `#/${segments.map(encodeURIComponent).join("/")}`;

/** A button that presses itself when it is scrolled into view. */
export function More({ onMore, children }: { onMore: () => void; children: ReactNode }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && onMore(), { rootMargin: "200px" });
    observer.observe(button.current!);
    return () => observer.disconnect();
  });
  return (
    <button ref={button} onClick={onMore}>
      {children}
    </button>
  );
}

export function Picture({ url }: { url: string | null | undefined }) {
  const [failed, setFailed] = useState<string>();
  const src = url && new URL(url, GATEWAY).href; // it may be relative to the gateway
  if (!src || src === failed) return <span className="picture" />;
  return <img className="picture" src={src} alt="" onError={() => setFailed(src)} />;
}

type Named = { readonly name?: string | null };
type CardProps = {
  user: Named & {
    source: Source;
    status?: string | null;
    imageUrl?: string | null;
    role?: Named | null;
    department?: Named | null;
    company?: string | null;
    accounts?: readonly Named[] | null;
    lastActiveAt?: string | null;
  };
  organization?: string | null;
  children: ReactNode;
};

/** Shows what one source knows about a user, and below it `children`. */
export function UserFacts({ user, organization, children }: CardProps) {
  const facts = {
    Status: statusOf(user),
    Role: user.role?.name,
    Department: user.department?.name,
    Organization: organization,
    Company: user.company,
    Accounts: user.accounts?.map(({ name }) => name).join(", "),
    "Last active": user.lastActiveAt && new Date(user.lastActiveAt).toLocaleString(),
  };
  return (
    <article aria-label={SOURCES[user.source]}>
      <h2>
        <Picture url={user.imageUrl} />
        {user.name}
        <span className="source">{SOURCES[user.source]}</span>
      </h2>
      <dl>
        {Object.entries(facts).map(([name, value]) => value && <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
      {children}
    </article>
  );
}

type AlertProps = { title: string; action: string; onAction: () => void; more?: ReactNode; children: ReactNode };

/** States a problem, and offers what to do about it; `more` are further buttons, before the one of `action`. */
export function Alert({ title, action, onAction, more, children }: AlertProps) {
  return (
    <div role="alert">
      <p>
        <strong>{title}</strong> {children}
      </p>
      {more}
      <button type="button" onClick={onAction}>{action}</button>
    </div>
  );
}

type Missing = { source: Source; message: string; retryAfter?: number | null; asOf?: string | null };

/** Names the sources whose users are missing or older, so that a list is not taken for a complete and present one. */
export function Unavailable({ sources, retry }: { sources: readonly Missing[]; retry: () => void }) {
  return sources.map(({ source, message, retryAfter, asOf }) => {
    const users = asOf ? `are shown as they were at ${new Date(asOf).toLocaleTimeString()}` : "are missing";
    return (
      <Alert key={source} title={`${SOURCES[source]} is not available: its users ${users}.`} action="Try again" onAction={retry}>
        {message} {retryAfter != null && `It may be available in ${Math.ceil(retryAfter)} s.`}
      </Alert>
    );
  });
}
