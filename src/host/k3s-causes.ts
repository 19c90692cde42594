/**
 * Why k3s does not come up: its own last words and what can be seen from outside, as one cause with the next step. Pure.
 *
 * The words are those of k3s 1.2x-1.36 and of what it starts; a text that nothing here knows is shown as it is.
 */
import type { ErrorCode } from "../core/error-codes.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";

/** One cause: how its text looks, what is to be said of it. */
interface Cause {
  readonly code: ErrorCode;
  readonly pattern: RegExp;
  readonly what: string;
  readonly hint: string;
}

/** The first that matches is the root: a full disk makes everything else fail too. */
const CAUSES: readonly Cause[] = [
  {
    code: "host/disk-full",
    pattern: /no space left on device|disk quota exceeded|database or disk is full/i,
    what: "the disk has no room",
    hint: "Make room on the disk: journalctl --vacuum-size=200M, or remove what does not belong to the appliance",
  },
  {
    code: "host/port-taken",
    pattern: /listen (?:tcp|udp)[^\n]*bind: address already in use/i,
    what: "another program holds a port that it needs",
    hint: "Find the program with ss -Hltnp, and stop it: systemctl disable --now <unit>",
  },
  {
    code: "host/no-address",
    pattern: /unable to select an IP from default routes|no default routes found|failed to find.* default route/i,
    what: "the box has no address and no default route",
    hint: "Plug in the network, or give the box an address: netplan get, then ip route",
  },
  {
    code: "host/clock-wrong",
    pattern: /not yet valid: current time \S+ is before/i,
    what: "the clock of the box stands before the time of its own certificates",
    hint: "Set the clock: timedatectl set-ntp true, or timedatectl set-time 'YYYY-MM-DD HH:MM'",
  },
  {
    code: "host/certificates-expired",
    pattern: /certificate has expired|x509: certificate .*expired/i,
    what: "its certificates have expired",
    hint: "Check the clock with timedatectl; if it is right: systemctl stop k3s, k3s certificate rotate, systemctl start k3s",
  },
  {
    code: "host/no-cgroup",
    pattern: /not (?:to )?run on a host using cgroup v1|cgroup v1 .*(?:unsupported|not supported)/i,
    what: "the kernel offers control groups of version 1, and version 2 is wanted",
    hint: "Start the kernel with systemd.unified_cgroup_hierarchy=1 (in GRUB_CMDLINE_LINUX of /etc/default/grub), then update-grub and reboot",
  },
  {
    code: "host/no-cgroup",
    pattern: /failed to find (?:memory|cpuset|cpu|pids) cgroup|cgroups? .*(?:not (?:mounted|found|enabled)|disabled)/i,
    what: "the kernel gives it no memory control group",
    hint: "Start the kernel with cgroup_enable=memory (in GRUB_CMDLINE_LINUX of /etc/default/grub), then reboot",
  },
  {
    code: "host/no-nftables",
    pattern:
      /(?:iptables|nft(?:ables|_tables)?)\b[^\n]*(?:not supported|no such file|failed to initialize|table does not exist|permission denied)/i,
    what: "the kernel filters no packets for it",
    hint: "Load the modules with modprobe -a nf_tables iptable_nat br_netfilter; where that fails the kernel of the box was changed",
  },
  {
    code: "host/datastore-damaged",
    pattern: /database disk image is malformed|wal: .*corrupt|invalid page type|freepages: failed|panic: .*bolt/i,
    what: "its database is damaged",
    hint: "Keep a copy of /var/lib/rancher/k3s/server/db and ask support before anything is removed",
  },
];

/** k3s' own words of it. */
const NO_ADDRESS_WORDS = "unable to select an IP from default routes";

/** Bytes of words that are shown as evidence. */
const MAX_SHOWN_CHARS = 1_500;

/**
 * The error for a k3s that is not ready.
 *
 * @param words The last lines of its journal, newest last; untrusted text.
 * @param seen What was seen from outside, in words: "its API does not answer".
 */
export function k3sProblem(words: string, seen: string): ApplianceError {
  const cause = CAUSES.find(({ pattern }) => pattern.test(words) || pattern.test(seen));
  const evidence = evidenceOf(words, cause);
  if (cause === undefined) {
    return new ApplianceError("host/k3s-not-ready", `Cannot use Kubernetes of this box yet: ${seen}`, {
      hint: "Read what k3s says: journalctl -u k3s -n 100",
      details: { evidence },
    });
  }
  return new ApplianceError(cause.code, `Cannot start Kubernetes on this box: ${cause.what} (${seen})`, {
    hint: cause.hint,
    details: { evidence },
  });
}

/** The error of a box that has no address: k3s waits for one, and says so late or never. */
export function noAddress(seen: string): ApplianceError {
  return k3sProblem(NO_ADDRESS_WORDS, seen);
}

function evidenceOf(words: string, cause: Cause | undefined): readonly Evidence[] {
  if (words.trim() === "") return [];
  const lines = words.trim().split("\n");
  const telling = cause === undefined ? undefined : lines.findLast((line) => cause.pattern.test(line));
  return [{ ref: "journal of k3s.service", text: (telling ?? lines.slice(-8).join("\n")).slice(-MAX_SHOWN_CHARS) }];
}
