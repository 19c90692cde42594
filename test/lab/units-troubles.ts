// All that keeps a box from coming up, laid into one that was never started, each behind the other: the screen tells the first, the
// page mends it, the screen tells the next. How the lab does what the page leaves to hands ("plug in the network") stands here.

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BOX, giveDisk, inBox } from "../../scripts/lab/box.ts";
import { UNITS_BOX } from "../../scripts/lab/units-box.ts";
import { makeCertificate } from "../support/tls.ts";

export interface Trouble {
  /** Title on the page. */
  readonly section: string;
  /** Golden frame of the first screen. */
  readonly frame: string;
  /** Changes the stopped box; false where this machine cannot. */
  readonly lay: () => boolean;
  /** What the page leaves to hands: before its commands are typed. */
  readonly byHand?: () => void;
  /** What stands for `<unit>` and the like. */
  readonly values?: Readonly<Record<string, string>>;
}

const SQUATTER = "squatter.service";
const AUTHORITY = "var/lib/rancher/k3s/server/tls/server-ca.crt";
const ASIDE = join(BOX.tree, "root/medium");
const DROP_IN = join(BOX.tree, "etc/systemd/system/k3s.service.d/10-admin.conf");
const FILLER = "old-backup.img";
/** All of /var/lib; its file has holes and takes no more than what is written. */
const DISK = "5G";
const YEAR_DAYS = 365;

/** In the order in which bootstrap meets them; the disk is laid last, because it takes the folder as it is then. */
export const TROUBLES: readonly Trouble[] = [
  {
    section: "The disk is full",
    frame: "disk-full",
    lay: () => giveDisk("var/lib", DISK, { filler: FILLER }),
    values: { file: `/var/lib/${FILLER}` },
  },
  {
    section: "The clock is wrong",
    frame: "clock-wrong",
    lay: () => {
      // The clock is this machine's and cannot be set: what is made at a box's first start is moved instead, and timedatectl with it.
      const { cert } = makeCertificate({ commonName: "box-ca", beginsInDays: YEAR_DAYS, days: 2 * YEAR_DAYS });
      place(join(BOX.tree, AUTHORITY), cert);
      const timedatectl = `#!/bin/sh\nrm -f "$0"\n[ "$1" = set-time ] && rm /${AUTHORITY}\n`;
      writeFileSync(join(BOX.tree, "usr/local/sbin/timedatectl"), timedatectl, { mode: 0o755 });
      return true;
    },
    values: { time: "2026-11-21 12:00" },
  },
  {
    section: "Another program holds port 8080",
    frame: "port-taken",
    lay: () => {
      const unit = "[Unit]\nBefore=alga-appliance-bootstrap.service\n[Service]\n";
      const program = "ExecStart=/usr/bin/systemd-socket-activate -l 8080 -a --inetd /bin/cat\n";
      place(join(BOX.tree, "etc/systemd/system", SQUATTER), `${unit}${program}[Install]\nWantedBy=multi-user.target\n`);
      const wants = join(BOX.tree, "etc/systemd/system/multi-user.target.wants", SQUATTER);
      symlinkSync(`/etc/systemd/system/${SQUATTER}`, wants);
      return true;
    },
    values: { unit: SQUATTER },
  },
  {
    section: "The box has no network",
    frame: "no-network",
    lay: () => {
      renameSync(UNITS_BOX.network, `${UNITS_BOX.network}.out`);
      return true;
    },
    byHand: () => {
      renameSync(`${UNITS_BOX.network}.out`, UNITS_BOX.network);
      inside("networkctl", "reload");
    },
  },
  {
    section: "Kubernetes does not come up",
    frame: "k3s-silent",
    lay: () => {
      place(DROP_IN, "[Service]\nExecStartPre=/bin/false\n");
      return true;
    },
    byHand: () => {
      rmSync(DROP_IN);
      inside("systemctl", "daemon-reload");
    },
  },
  {
    section: "The payload is gone",
    frame: "payload-gone",
    lay: () => {
      mkdirSync(join(ASIDE, "opt/alga-appliance"), { recursive: true });
      for (const name of ["images", "control-plane"])
        renameSync(join(UNITS_BOX.payload, name), join(ASIDE, "opt/alga-appliance", name));
      return true;
    },
    values: { medium: "/root/medium" },
  },
];

/** Lays them all, and answers those that this machine can make. */
export function layTroubles(): readonly Trouble[] {
  return TROUBLES.toReversed()
    .filter(({ lay }) => lay())
    .toReversed();
}

function inside(...argv: readonly string[]): void {
  const { code, stderr } = inBox(argv);
  if (code !== 0) throw new Error(`Cannot run "${argv.join(" ")}" on the box: ${stderr}`);
}

function place(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
