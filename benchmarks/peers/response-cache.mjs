// The response cache of Yoga, which Hive Gateway uses too: with KEEP, whole answers are kept for so many seconds.

import { hash } from "node:crypto";
import { createInMemoryCache, useResponseCache } from "@graphql-yoga/plugin-response-cache";

const keep = Number(process.env.KEEP ?? 0);

export const responseCache = () =>
  keep
    ? [
        useResponseCache({
          session: () => null,
          ttl: keep * 1000,
          cache: createInMemoryCache({ max: Number(process.env.KEEP_ENTRIES) }),
          // Cheaper than the default, a SHA-256 by WebCrypto. The key becomes the ETag, so it is not the text itself.
          buildResponseCacheKey: ({ documentString, variableValues }) =>
            hash("sha1", documentString + JSON.stringify(variableValues), "base64url"),
          includeExtensionMetadata: false,
        }),
      ]
    : [];
