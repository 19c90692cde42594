/** `console setup`: the whole wizard as text, for a box that no browser reaches. */
import type { Command, CommandContext } from "../cli/command.ts";
import { parsePort } from "../cli/listen-flags.ts";
import type { Charset } from "../cli/screen-text.ts";
import { EXIT, type ExitCode, isApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { Secret } from "../core/secret.ts";
import { createWizardClient } from "./console-client.ts";
import { createDialogue } from "./console-dialogue.ts";
import { openWizardDraft } from "./console-draft.ts";
import { noTerminal, runWizard } from "./console-wizard.ts";

const MAX_TOKEN_BYTES = 1024;
/** A VGA console; a terminal that does not know its width is taken for one. */
const [COLUMNS, ROWS] = [80, 25];
const MIN_COLUMNS = 40;

export const commands: readonly Command[] = [
  {
    path: ["console", "setup"],
    summary: "Set the appliance up in this terminal, without a browser",
    description:
      "Asks what the page asks, with the same rules, shows the plan, and begins when you say yes. It speaks with the control plane of " +
      "this box, which does the work: leave at any time and come back with the same command. Root need not type the setup token.",
    flags: [
      { name: "port", type: "string", value: "<port>", summary: "Port of the control plane", fallback: "8080" },
      {
        name: "charset",
        type: "string",
        value: "<name>",
        choices: ["auto", "utf8", "ascii"],
        fallback: "auto",
        summary: "What the terminal can show",
      },
    ],
    examples: [{ command: "alga-appliance console setup", about: "At the box: Alt+F2, log in, type this" }],
    run: setUp,
  },
];

async function setUp(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, flags, signal, out, askLine, askHidden } = context;
  if (askLine === undefined || askHidden === undefined) throw noTerminal();
  const port = parsePort(typeof flags.port === "string" ? flags.port : (settings.get("listen.port") ?? "8080"));
  const paths = statePaths(settings.get("root") ?? "/");
  const ended = await runWizard({
    client: createWizardClient(deps, { origin: `http://127.0.0.1:${port}`, signal }),
    dialogue: createDialogue({
      ...{
        askLine,
        askHidden,
        charset: charsetOf(context),
        columns: out.columns >= MIN_COLUMNS ? out.columns : COLUMNS,
        rows: ROWS,
      },
      write: (line) => out.notice(line),
    }),
    draft: openWizardDraft(deps.files, paths),
    ...{ clock: deps.clock, signal },
    token: async () => {
      const bytes = await deps.files.read(paths.setupToken, { maxBytes: MAX_TOKEN_BYTES }).catch((thrown: unknown) => {
        if (!isApplianceError(thrown)) throw thrown;
        return undefined;
      });
      const text = bytes === undefined ? "" : new TextDecoder().decode(bytes).trim();
      return text === "" ? undefined : new Secret(text);
    },
  });
  return ended === "done" ? EXIT.done : EXIT.failed;
}

/** A terminal tells by its locale what it shows; one that tells nothing gets ASCII. @see locale(7) */
function charsetOf({ flags, env }: CommandContext): Charset {
  if (flags.charset === "utf8" || flags.charset === "ascii") return flags.charset;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  return /utf-?8/i.test(locale) ? "utf8" : "ascii";
}
