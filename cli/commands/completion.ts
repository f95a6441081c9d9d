/** completion: what makes a shell know our words. */
import { type Command, command, UsageError } from "#cli/command.ts";
import { complete, type Completion, type ThingKind } from "#cli/complete.ts";
import type { Context } from "#cli/context.ts";

const WAIT_MS = 2000;

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_lxd_complete() {
  local IFS=$'\\n' line="\${COMP_LINE:0:COMP_POINT}"
  local last="\${line##* }"
  COMPREPLY=($("\${COMP_WORDS[0]}" completion line "$line" 2>/dev/null))
  # A colon separates words for bash: what stands before it is typed already.
  if [[ "$last" == *:* ]]; then COMPREPLY=("\${COMPREPLY[@]#"\${last%:*}:"}"); fi
  if [[ "\${#COMPREPLY[@]}" -eq 1 && "\${COMPREPLY[0]}" == *: ]]; then compopt -o nospace; fi
}
complete -o default -F _lxd_complete lxd lxc
`,
  zsh: `#compdef lxd lxc
_lxd_complete() {
  local -a found
  found=("\${(@f)$("\${words[1]}" completion line "\${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[*]}" ]]; then compadd -Q -- "\${found[@]}"; else _files; fi
}
compdef _lxd_complete lxd lxc
`,
  fish: `complete -c lxd -a '(lxd completion line (commandline -cp) 2>/dev/null)'
complete -c lxc -a '(lxc completion line (commandline -cp) 2>/dev/null)'
`,
};

/** @param commands All of them: the registry, which this command is part of. */
export function completionCommands(commands: () => readonly Command[]): readonly Command[] {
  return [command({
    name: "completion",
    usage: "bash|zsh|fish",
    summary: "Print the script that completes words and names in a shell",
    uncommon: true,
    examples: [
      { call: "source <(lxd completion bash)", what: "Complete words in this shell." },
      {
        call: "lxd completion fish > ~/.config/fish/completions/lxd.fish",
        what: "Complete words in every shell from now on.",
      },
    ],
    args: [1, 2],
    async run(context, [shell = "", line = ""]) {
      if (shell === "line") {
        const found = complete(commands(), line, context.programName);
        const words = [...found.words, ...await namesOf(context, found)];
        for (const word of words) if (word.startsWith(found.current)) context.out.line(word);
        return;
      }
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
      if (script === undefined) {
        throw new UsageError(`no completion for "${shell}": bash, zsh, fish`);
      }
      context.out.text(script);
    },
  })];
}

const LISTS: Readonly<Record<Exclude<ThingKind, "remote">, string>> = {
  image: "/1.0/images/aliases",
  instance: "/1.0/instances",
  network: "/1.0/networks",
  pool: "/1.0/storage-pools",
  profile: "/1.0/profiles",
  project: "/1.0/projects",
};

/** Names that the server or config.yml knows; none if it does not answer soon. */
async function namesOf(context: Context, found: Completion): Promise<string[]> {
  const { things, takesRemote, current } = found;
  const remotes = [...context.config.remotes.keys()].toSorted();
  if (things === "remote") return takesRemote ? remotes.map((name) => `${name}:`) : remotes;
  const names = things === undefined ? [] : await askFor(context, LISTS[things], current);
  if (!takesRemote || current.includes(":")) return names;
  return [...names, ...remotes.map((name) => `${name}:`)];
}

async function askFor(context: Context, list: string, current: string): Promise<string[]> {
  const { remote } = context.split(current);
  const prefix = current.includes(":") ? current.slice(0, current.indexOf(":") + 1) : "";
  try {
    const signal = AbortSignal.timeout(WAIT_MS);
    const urls = await context.client(remote).get<string[]>(list, { signal });
    const names = urls.map((url) => (url.split("?")[0] ?? "").slice(list.length + 1));
    return names.map((name) => prefix + decodeURIComponent(name)).toSorted();
  } catch {
    return []; // Ignored: a shell that waits for words is no place for errors.
  }
}
