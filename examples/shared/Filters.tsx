import { useEffect, useState } from "react";
import { type Source, SOURCES } from "./page";

type Filter = { search?: string | null; sources?: Source[] | null; includeRemoved?: boolean | null };

/** The controls of a list's filter. */
export function Filters({ filter, setFilter }: { filter: Filter; setFilter: (filter: Filter) => void }) {
  const [search, setSearch] = useState(filter.search ?? "");
  // One request when the typing pauses, not one for each letter.
  useEffect(() => {
    if (search === (filter.search ?? "")) return;
    const timer = setTimeout(() => setFilter({ ...filter, search: search || null }), 300);
    return () => clearTimeout(timer);
  }, [search, filter, setFilter]);

  return (
    <div className="filters">
      <input
        type="search"
        aria-label="Search"
        placeholder="Name or e-mail"
        value={search}
        onChange={({ target }) => setSearch(target.value)}
      />
      <select
        aria-label="Source"
        value={filter.sources?.[0] ?? ""}
        onChange={({ target }) => setFilter({ ...filter, sources: target.value ? [target.value as Source] : null })}
      >
        <option value="">All sources</option>
        {Object.entries(SOURCES).map(([source, name]) => <option key={source} value={source}>{name}</option>)}
      </select>
      <label>
        <input
          type="checkbox"
          checked={filter.includeRemoved ?? false}
          onChange={({ target }) => setFilter({ ...filter, includeRemoved: target.checked })}
        />
        Removed users too
      </label>
    </div>
  );
}
