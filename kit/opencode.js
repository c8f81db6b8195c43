// LLM Bus for opencode: starts the kit at each moment of a session, and hands on what it says.
// Written by the kit of LLM Bus; it runs llm-bus/kit.pyz in .git, and does nothing where that is missing.
import { spawn, execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"

const SECONDS_MAX = 5

export const LLMBus = async ({ client, directory }) => {
  let program
  try {
    const shared = execFileSync("git", ["-c", "safe.bareRepository=explicit", "rev-parse", "--git-common-dir"], { cwd: directory, stdio: ["ignore", "pipe", "ignore"] })
    program = join(resolve(directory, shared.toString().trim()), "llm-bus", "kit.pyz")
  } catch {
    return {}
  }
  if (!existsSync(program)) return {}
  const launcher = join(program, "..", "python")
  const python3 = existsSync(launcher) ? launcher : "python3"

  // What the kit prints for an event; on its way to standard error is what a model must hear of a collision.
  const tell = (event, sessionID, more = {}) =>
    new Promise((done) => {
      const python = spawn(python3, ["-I", "-S", program, "--client", "opencode", "--event", event], { cwd: directory })
      let said = ""
      const timer = setTimeout(() => python.kill(), SECONDS_MAX * 1000)
      python.stdout.on("data", (part) => (said += part))
      python.on("error", () => done(""))
      python.on("close", () => {
        clearTimeout(timer)
        done(said.trim())
      })
      python.stdin.on("error", () => {})
      python.stdin.end(JSON.stringify({ cwd: directory, session_id: sessionID, ...more }))
    })

  const packets = new Map()
  return {
    "experimental.chat.system.transform": async (input, output) => {
      const sessionID = input?.sessionID ?? "opencode"
      if (!packets.has(sessionID)) packets.set(sessionID, await tell("start", sessionID))
      if (packets.get(sessionID)) output.system.push(packets.get(sessionID))
    },
    "tool.execute.after": async (input, output) => {
      const said = await tell("tool", input.sessionID, { tool: input.tool, args: input.args ?? output.metadata ?? {} })
      if (said) output.output = `${output.output}\n\n${said}`
    },
    event: async ({ event }) => {
      const sessionID = event.properties?.sessionID
      if (event.type === "session.idle") {
        const said = await tell("idle", sessionID)
        if (said) await client.session.promptAsync({ path: { id: sessionID }, body: { parts: [{ type: "text", text: said }] } })
      } else if (event.type === "session.compacted") {
        packets.delete(sessionID)
      } else if (event.type === "session.deleted") {
        await tell("end", event.properties?.info?.id)
      }
    },
  }
}
