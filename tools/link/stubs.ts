/** Stand-ins for node: modules that commander imports but that our client never calls: loading the real ones costs 20 ms. */

/** Source of the stub of a module, by its name without "node:". */
export const NODE_STUBS: Readonly<Record<string, string>> = {
  events: "export class EventEmitter { on() { return this; } once() { return this; } " +
    "emit() { return false; } listenerCount() { return 0; } listeners() { return []; } }\n" +
    "export default { EventEmitter };",
  child_process: "export function spawn() { throw new Error('no subcommand programs'); }\n" +
    "export default { spawn };",
  path: "export const basename = (p, e) => { const b = p.split('/').pop() ?? ''; " +
    "return e && b.endsWith(e) ? b.slice(0, -e.length) : b; };\n" +
    "export const extname = (p) => /\\.[^./]*$/.exec(p)?.[0] ?? '';\n" +
    "export const dirname = (p) => p.split('/').slice(0, -1).join('/') || '.';\n" +
    "export const resolve = (...p) => p.join('/');\n" +
    "export default { basename, extname, dirname, resolve };",
  fs: "export const existsSync = () => false;\nexport const realpathSync = (p) => p;\n" +
    "export default { existsSync, realpathSync };",
  process:
    "const process = globalThis.process ?? { argv: [], env: {}, execArgv: [], versions: {}, " +
    "stdout: { write() {}, columns: 80 }, stderr: { write() {}, columns: 80 }, exit() {}, on() {} };\n" +
    "export default process;",
  util: "export const stripVTControlCharacters = (s) => s.replace(/\\x1b\\[[0-9;]*m/g, '');\n" +
    "export default { stripVTControlCharacters };",
};
