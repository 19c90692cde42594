// What befalls a box that people work on: each kind of damage that recover is for, typed in the box, and the findings by which recover
// names it before it touches anything. Some come together, as they do on a bad day.

export interface Damage {
  readonly name: string;
  /** Typed in the box, as root. */
  readonly script: string;
  /** Codes of findings that recover tells. */
  readonly found: readonly string[];
  /** The network cable is out from before the damage until it is mended. */
  readonly isOffline?: true;
  /** What runs afterwards; absent: the image that ran before. */
  readonly runs?: string;
  /** The management password is lost: the box is claimed again, with the token of the screen. */
  readonly isUnclaimed?: true;
  /** Beginnings of paths that are there afterwards: what was put aside, or made. */
  readonly leaves?: readonly string[];
}

const NAMESPACE = "alga-appliance-control-plane";
const NO_DEPLOYMENT = `k3s kubectl -n ${NAMESPACE} delete deployment appliance-control-plane --cascade=foreground`;
const NO_IMAGE = "k3s ctr images rm $(k3s ctr images list -q | grep alga-appliance-control-plane)";
const NO_POD = `k3s kubectl -n ${NAMESPACE} delete pod --all --grace-period=1`;
const PAYLOAD = "/opt/alga-appliance/control-plane";
/** A file of its own: the archive is linked to that of the lab's cache. */
const CUT_OFF = `cd ${PAYLOAD}/images && for one in *.tar; do head -c 3000000 $one > cut && mv cut $one; done`;
const STATE = "/var/lib/alga-appliance";

/** Each on the box that the one before has left. */
export const DAMAGES: readonly Damage[] = [
  {
    name: "the cable is out, and the control plane is deleted, with the executable",
    script: `${NO_DEPLOYMENT} && rm /usr/local/bin/alga-appliance`,
    found: ["no-network", "executable-gone", "control-plane-gone"],
    isOffline: true,
    leaves: ["usr/local/bin/alga-appliance"],
  },
  {
    name: "Kubernetes is stopped and masked, and its kubeconfig names another cluster",
    script:
      "systemctl stop k3s && ln -sf /dev/null /etc/systemd/system/k3s.service && systemctl daemon-reload && " +
      "sed -i s/127.0.0.1:6443/203.0.113.9:6443/ /etc/rancher/k3s/k3s.yaml",
    found: ["k3s-stopped", "k3s-not-at-boot", "kubeconfig"],
    leaves: ["etc/rancher/k3s/k3s.yaml.corrupt-", "etc/rancher/k3s/k3s.yaml"],
  },
  {
    name: "the node has lost the image, and the archive of the payload is cut off",
    // The pod of before runs on: kubelet would pull the image for a new one at once.
    script: `${CUT_OFF} && ${NO_IMAGE}`,
    found: ["control-plane-image-gone"],
    leaves: [`${PAYLOAD}/images/recovered.tar`],
  },
  {
    name: "the cable is out, and neither the node nor the payload has a control plane",
    script: `rm -r ${PAYLOAD} && ${NO_IMAGE} && ${NO_POD}`,
    found: ["no-network", "payload-gone", "control-plane-image-gone"],
    isOffline: true,
    runs: `localhost/${NAMESPACE}:recovered`,
    leaves: [`${PAYLOAD}/images/recovered.tar`],
  },
  {
    name: "files of the state folder are cut off, open to all, and somebody else's",
    script:
      `cd ${STATE} && truncate -s 90 answers.json && echo '{' >> "$(ls journal/*.ndjson | tail -n 1)" && ` +
      "chmod 0644 admin-credential.json && chown -R root:root .",
    found: ["state-file", "state-journal", "state-owner", "state-open"],
    leaves: [`${STATE}/answers.json.corrupt-`, `${STATE}/answers.json`],
  },
  {
    name: "the state folder is gone",
    script: `rm -r ${STATE}`,
    found: ["state-folder", "document-lost"],
    isUnclaimed: true,
    leaves: [`${STATE}/answers.json`, `${STATE}/release.json`],
  },
];
