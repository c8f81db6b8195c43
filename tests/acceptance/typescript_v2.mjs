// The TypeScript SDK's second generation; its arguments are how it negotiates, "auto" or "legacy", and the wire.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { tell } from "./telling.mjs";

const [mode, wire] = process.argv.slice(2);

await tell({
  connect: async (url, headers, child) => {
    const client = new Client({ name: "story", version: "1" }, { versionNegotiation: { mode } });
    await client.connect(
      wire === "stdio"
        ? new StdioClientTransport(child)
        : new StreamableHTTPClientTransport(url, { requestInit: { headers } }),
    );
    return client;
  },
  revision: (client) => client.getNegotiatedProtocolVersion(),
});
