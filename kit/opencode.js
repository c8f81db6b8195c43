// LLM Bus for opencode: starts the kit at each moment of a session, and hands on what it says.
// Written by the kit of LLM Bus; it runs llm-bus/kit.pyz in .git, and does nothing where that is missing.
import { spawn, execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"

const SECONDS_MAX = 5
const NEWS = 2 // the exit code of a process that has waited and has something to tell

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

  // Starts the kit; `done` gets its exit code and what it printed.
  const start = (flags, given, done) => {
    const python = spawn(python3, ["-I", "-S", program, "--client", "opencode", ...flags], { cwd: directory })
    const said = { stdout: "", stderr: "" }
    for (const name of ["stdout", "stderr"]) python[name].on("data", (part) => (said[name] += part))
    python.on("error", () => done(1, said))
    python.on("close", (code) => done(code, said))
    python.stdin.on("error", () => {})
    python.stdin.end(JSON.stringify({ cwd: directory, ...given }))
    return python
  }

  // What the kit prints for an event.
  const tell = (event, sessionID, more = {}) =>
    new Promise((done) => {
      const python = start(["--event", event], { session_id: sessionID, ...more }, (_, { stdout }) => {
        clearTimeout(timer)
        done(stdout.trim())
      })
      const timer = setTimeout(() => python.kill(), SECONDS_MAX * 1000)
    })

  const prompt = (sessionID, text) =>
    client.session.promptAsync({ path: { id: sessionID }, body: { parts: [{ type: "text", text }] } })

  // Waits in the background until there is something for an idle session; a second process for it ends at once.
  const wait = (sessionID) => {
    const python = start(["--wake"], { session_id: sessionID, client_pid: process.pid }, (code, { stderr }) => {
      if (code === NEWS) prompt(sessionID, stderr.trim())
    })
    // It does not keep opencode from ending.
    for (const held of [python, python.stdin, python.stdout, python.stderr]) held.unref?.()
  }

  const packets = new Map()
  const subagents = new Set() // their sessions are over when they have answered
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
      const { sessionID, info } = event.properties ?? {}
      if (event.type === "session.created" && info?.parentID) {
        subagents.add(info.id)
      } else if (event.type === "session.idle" && !subagents.has(sessionID)) {
        const said = await tell("idle", sessionID)
        if (said) await prompt(sessionID, said)
        else wait(sessionID)
      } else if (event.type === "session.compacted") {
        packets.delete(sessionID)
      } else if (event.type === "session.deleted") {
        await tell("end", info?.id)
      }
    },
  }
}
