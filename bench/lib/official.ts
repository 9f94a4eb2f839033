import { FliptClient } from "@flipt-io/flipt-client-js"
import type { Document } from "./workloads.js"

/** The official client, with a fetcher that answers from memory. */
export const officialClient = (document: Document): Promise<FliptClient> =>
  FliptClient.init({
    updateInterval: 0,
    fetcher: async () =>
      new Response(JSON.stringify(document), {
        headers: { "Content-Type": "application/json", ETag: "0123456789abcdef" }
      })
  })
