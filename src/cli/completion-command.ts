/** `completion bash|zsh|fish`: scripts generated from the command table, so they can never lag behind it. */
import { ApplianceError, EXIT } from "../core/errors.ts";
import type { Command } from "./command.ts";
import { PROGRAM } from "./help.ts";
import type { Noun } from "./nouns.ts";
import { allFlags } from "./run.ts";

/** One line of the tree: the words so far and what may follow. */
interface Branch {
  readonly words: string;
  readonly next: readonly string[];
}

const SHELLS = ["bash", "zsh", "fish"] as const;

/** The completion command over a table of nouns. */
export function completionCommands(nouns: readonly Noun[]): readonly Command[] {
  return [
    {
      path: ["completion"],
      summary: "Print a completion script for bash, zsh or fish",
      flags: [],
      positionals: [{ name: "shell", summary: SHELLS.join(", ") }],
      examples: [
        { command: `source <(${PROGRAM} completion bash)`, about: "For this shell" },
        { command: `${PROGRAM} completion fish > ~/.config/fish/completions/${PROGRAM}.fish`, about: "For every fish" },
      ],
      run: async ({ args, out }) => {
        const script = scriptFor(args[0] ?? "", await branches(nouns));
        out.result({ shell: args[0], script }, () => script);
        return EXIT.done;
      },
    },
  ];
}

async function branches(nouns: readonly Noun[]): Promise<readonly Branch[]> {
  const tree: Branch[] = [{ words: "", next: nouns.map((noun) => noun.name) }];
  for (const noun of nouns) {
    const commands = noun.name === "completion" ? [] : await noun.load();
    const verbs = commands.flatMap((command) => command.path[1] ?? []);
    if (verbs.length > 0) tree.push({ words: noun.name, next: verbs });
    for (const command of commands)
      tree.push({ words: command.path.join(" "), next: allFlags(command).map((flag) => `--${flag.name}`) });
  }
  return [...tree, { words: "completion", next: SHELLS }];
}

function scriptFor(shell: string, tree: readonly Branch[]): string {
  if (shell === "bash") return bash(tree);
  if (shell === "zsh") return `autoload -U +X bashcompinit && bashcompinit\n${bash(tree)}`;
  if (shell === "fish") return fish(tree);
  throw new ApplianceError(
    "cli/usage",
    `Cannot write completion for "${shell}": one of ${SHELLS.join(", ")} is wanted`,
  );
}

function bash(tree: readonly Branch[]): string {
  const cases = tree.map((branch) => `    "${branch.words}") words="${branch.next.join(" ")}";;`);
  return `_alga_appliance() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ "\${COMP_WORDS[i]}" == -* ]] && break
    path="\${path:+$path }\${COMP_WORDS[i]}"
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _alga_appliance ${PROGRAM}
`;
}

function fish(tree: readonly Branch[]): string {
  const rules = tree.map((branch) => {
    const condition = `test (string join ' ' (commandline -opc)[2..-1]) = '${branch.words}'`;
    return `complete -c ${PROGRAM} -f -n "${condition}" -a '${branch.next.join(" ")}'`;
  });
  return `${rules.join("\n")}\n`;
}
