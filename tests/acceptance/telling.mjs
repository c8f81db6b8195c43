// Tells a story through one client: reads {url, tokens, calls, program} from standard input, writes what
// tests/acceptance/story.py calls a Telling to standard output.
import { text } from "node:stream/consumers";

// `connect(url, headers, child)` opens a client for one participant, by HTTP or by starting a child that bridges to it;
// `revision(client)` is what it agreed on.
export async function tell({ connect, revision }) {
  const { url, tokens, calls, program } = JSON.parse(await text(process.stdin));
  const clients = {};
  for (const [who, token] of Object.entries(tokens)) {
    const child = { command: program, args: ["stdio"], env: { LLM_BUS_URL: url, LLM_BUS_TOKEN: token } };
    clients[who] = await connect(new URL(url), { Authorization: `Bearer ${token}` }, child);
  }
  const outcomes = [];
  for (const { who, tool, arguments: given } of calls) {
    const result = await clients[who].callTool({ name: tool, arguments: given });
    outcomes.push({
      is_error: result.isError === true,
      text: result.content.map((part) => part.text).join(""),
      structured: result.structuredContent ?? null,
    });
  }
  const [client] = Object.values(clients);
  const { tools } = await client.listTools();
  const telling = { protocol_version: revision(client), tools: tools.map((tool) => tool.name), outcomes };
  for (const client of Object.values(clients)) {
    await client.close();
  }
  process.stdout.write(JSON.stringify(telling));
}
