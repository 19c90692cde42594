/** `update policy`: what may begin by itself, and how every update is judged; shown, or changed by the flags that are given. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { openStore } from "../operation/open-store.ts";
import { policyText } from "./command-text.ts";
import { DAYS, NO_POLICY, POLICY_SCHEMA, policyDocumentSchema, type UpdatePolicy, USUAL_JUDGE } from "./model.ts";
import { readPolicy } from "./request.ts";

export const POLICY_COMMAND: Command = {
  path: ["update", "policy"],
  summary: "Show or set what may begin by itself, and how every update is judged",
  description:
    "Without flags it shows. A flag changes what it names, the rest stays. The control plane goes by it from its next look on, within a minute.",
  flags: [
    {
      name: "automatic",
      type: "string",
      summary: "What may begin by itself",
      choices: ["never", "patch", "all"],
    },
    { name: "from", type: "string", value: "<hh:mm>", summary: "Updates begin by themselves from this time of UTC on" },
    { name: "to", type: "string", value: "<hh:mm>", summary: "And not after this one" },
    { name: "days", type: "string", value: "<sat,sun>", summary: "On these days", fallback: "every day" },
    {
      name: "hold-until",
      type: "string",
      value: "<instant>",
      summary: "Nothing begins by itself before; never: no hold",
    },
    { name: "soak", type: "string", value: "<minutes>", summary: "How long everything must stay well" },
    {
      name: "patience",
      type: "string",
      value: "<minutes>",
      summary: "How long a failure may last before the way back",
    },
  ],
  examples: [
    { command: "alga-appliance update policy", about: "Show it" },
    {
      command: "alga-appliance update policy --automatic patch --from 02:00 --to 04:00 --days sat,sun",
      about: "Patches, at night, at weekends",
    },
    { command: "alga-appliance update policy --hold-until 2026-12-31T00:00:00Z", about: "Nothing before that" },
  ],
  run: policy,
};

async function policy(context: CommandContext): Promise<ExitCode> {
  const { flags, out } = context;
  const store = openStore(context);
  const kept = (await store.readDocument("update-policy", policyDocumentSchema))?.policy ?? NO_POLICY;
  const given = (name: string): string | undefined => flagText(flags, name);
  const isGiven = POLICY_COMMAND.flags.some(({ name }) => given(name) !== undefined);
  const wanted = isGiven ? readPolicy(changed(kept, given)) : kept;
  if (isGiven) await store.writeDocument("update-policy", { schema: POLICY_SCHEMA, policy: wanted });
  out.result(wanted, () => policyText(wanted));
  return EXIT.done;
}

type Given = (name: string) => string | undefined;

/** The policy with what the flags say; it is read like one of a request, which names what is wrong. */
function changed(kept: UpdatePolicy, given: Given): unknown {
  const hold = given("hold-until");
  const judge = judgeOf(kept, given);
  return {
    automatic: given("automatic") ?? kept.automatic,
    window: windowOf(kept, given),
    holdUntil: hold === undefined ? kept.holdUntil : hold === "never" ? null : hold,
    ...(judge === undefined ? {} : { judge }),
  };
}

function windowOf({ window }: UpdatePolicy, given: Given): unknown {
  const [from, to, days] = [given("from"), given("to"), given("days")];
  if (from === undefined && to === undefined && days === undefined) return window;
  const named = days?.split(",").map((day) => day.trim());
  return { from: from ?? window?.from, to: to ?? window?.to, days: named ?? window?.days ?? [...DAYS] };
}

function judgeOf({ judge }: UpdatePolicy, given: Given): unknown {
  const [soak, patience] = [given("soak"), given("patience")];
  if (soak === undefined && patience === undefined) return judge;
  const { soakMinutes, patienceMinutes } = judge ?? USUAL_JUDGE;
  return { soakMinutes: Number(soak ?? soakMinutes), patienceMinutes: Number(patience ?? patienceMinutes) };
}
