// The TypeScript SDK's second generation; its first argument is how it negotiates: "auto" or "legacy".
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { tell } from "./telling.mjs";

const mode = process.argv[2];

await tell({
  connect: async (url, headers) => {
    const client = new Client({ name: "story", version: "1" }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
    return client;
  },
  revision: (client) => client.getNegotiatedProtocolVersion(),
});
