/**
 * Every verb of the noun `release`: finding one (room `release`), and making, signing, sending and mirroring one (this room).
 *
 * The room `publishing` holds everything that writes to registries and OCI layouts. It reads releases through `release/`,
 * speaks OCI through `oci/`, and is imported by `main.ts` and the rehearsal only. One file `<verb>-command.ts` for each verb or
 * family of verbs.
 */
import { commands as releaseCommands } from "../release/command.ts";
import { commands as attestationsCommands } from "./attestations-command.ts";
import { commands as buildCommands } from "./build-command.ts";
import { commands as bundleCommands } from "./bundle-command.ts";
import { commands as checkCommands } from "./check-command.ts";
import { commands as copyCommands } from "./copy-command.ts";
import { commands as diffCommands } from "./diff-command.ts";
import { commands as haveCommands } from "./have-command.ts";
import { commands as historyCommands } from "./history-command.ts";
import { commands as imageCommands } from "./image-command.ts";
import { commands as keygenCommands } from "./keygen-command.ts";
import { commands as loadCommands } from "./load-command.ts";
import { commands as lockCommands } from "./lock-command.ts";
import { commands as pipelineCommands } from "./pipeline-command.ts";
import { commands as promoteCommands } from "./promote-command.ts";
import { commands as publishCommands } from "./publish-command.ts";
import { commands as serveCommands } from "./serve-command.ts";
import { commands as signCommands } from "./sign-command.ts";
import { commands as trustCommands } from "./trust-command.ts";
import { commands as trustSignCommands } from "./trust-sign-command.ts";

export const commands = [
  ...releaseCommands,
  ...lockCommands,
  ...buildCommands,
  ...attestationsCommands,
  ...diffCommands,
  ...imageCommands,
  ...promoteCommands,
  ...pipelineCommands,
  ...historyCommands,
  ...publishCommands,
  ...copyCommands,
  ...serveCommands,
  ...bundleCommands,
  ...checkCommands,
  ...haveCommands,
  ...loadCommands,
  ...keygenCommands,
  ...signCommands,
  ...trustCommands,
  ...trustSignCommands,
];
