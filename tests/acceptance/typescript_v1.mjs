// The TypeScript SDK's first generation: the handshake era.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { tell } from "./telling.mjs";

await tell({
  connect: async (url, headers) => {
    const client = new Client({ name: "story", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
    return client;
  },
  revision: (client) => client.transport.protocolVersion,
});
