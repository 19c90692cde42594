/** The operator guide's words on the checks of Kubernetes, the box, its nodes, the network, the registry, Flux's source and storage. */
import type { GuideWords } from "./guide-words.ts";

export const BOX_WORDS = {
  "kube/unreachable": {
    means:
      "Nothing can be said about the product: people may still be working, but the appliance can neither see nor change it.",
    look: "On the box: systemctl status k3s, then journalctl -u k3s --since -10min. From a laptop: whether the address in the kubeconfig is the right one.",
  },
  "kube/unauthorized": {
    means:
      "The product goes on running. The appliance cannot see it, update it or mend it until its credentials are accepted.",
    look: "Which kubeconfig or token is used, and whether its certificate has ended: kubectl --kubeconfig <file> get nodes says the same.",
  },
  "kube/forbidden": {
    means:
      "People notice nothing. The part of the status that needs the missing rule is not known, so a failure there would not be seen.",
    look: "The rule named in the evidence, against the roles of the service account: kubectl auth can-i list <kind> --as=system:serviceaccount:<namespace>:<name>.",
  },
  "kube/half-answering": {
    means: "What the status says about the named kinds may be old. People can usually go on working.",
    look: "The load and the disk of the box, and journalctl -u k3s --since -10min: a slow disk makes Kubernetes answer late.",
  },
  "host/clock-skew": {
    means: "Logins, certificates and pulls of images begin to fail, because they compare times.",
    look: "timedatectl on the box: whether a time server is set and answers. A virtual machine that was paused comes back with an old time.",
  },
  "host/disk-full": {
    means:
      "The database can no longer write: people see errors or cannot log in, and nothing can be installed or updated.",
    look: "Which folder is large: df -h, then du -xh --max-depth=2 /var | sort -h | tail. Never remove files of the database or of /var/lib/rancher by hand.",
  },
  "host/disk-nearly-full": {
    means: "Everything works still. When the disk fills up, pods are stopped and the database stops writing.",
    look: "The disk's line on the page Host: it says when the disk will be full at the present rate. Then df -h and du -xh --max-depth=2 /var | sort -h | tail.",
  },
  "host/memory-low": {
    means: "The product becomes slow, and one of its processes may be stopped without warning.",
    look: "What uses the memory: ps -eo rss,comm --sort=-rss | head, and the page Host for the last hours.",
  },
  "node/none": {
    means: "Nothing of the product runs.",
    look: "kubectl get nodes, and on the box journalctl -u k3s --since -10min: the kubelet could not register, or somebody removed the node.",
  },
  "node/silent": {
    means: "The state of the product is not known. If the machine is down, nobody can work.",
    look: "The machine itself: power, network, console. If it answers: systemctl status k3s, curl http://127.0.0.1:10248/healthz (the kubelet says ok), kubectl -n kube-node-lease get leases -o yaml (renewed every 10 s), and the load by uptime.",
  },
  "node/not-ready": {
    means: "Pods that run may go on; none is started again. Often the product is down for everybody.",
    look: "The node's own words: kubectl describe node, under Conditions. Then journalctl -u k3s --since -10min.",
  },
  "node/disk-pressure": {
    means: "Kubernetes stops pods to free disk and starts no new ones: parts of the product go away one by one.",
    look: "df -h on the box. Images that nothing uses are removed by Kubernetes itself; look for logs, backups and files of others.",
  },
  "node/memory-pressure": {
    means: "Kubernetes stops pods to free memory: parts of the product go away and come back.",
    look: "What uses the memory: kubectl top pods -A, and ps -eo rss,comm --sort=-rss | head on the box.",
  },
  "node/process-pressure": {
    means: "No new process can be started: logins hang, and pods do not start.",
    look: "Which program has most processes: ps -eo comm | sort | uniq -c | sort -n | tail.",
  },
  "node/network-unavailable": {
    means: "The parts of the product cannot talk to each other, so people cannot log in.",
    look: "kubectl describe node for the reason, and journalctl -u k3s --since -10min for the lines of flannel or of your network plugin.",
  },
  "node/closed": {
    means: "What runs goes on. What stops, or is updated, does not start again.",
    look: "kubectl describe node, under Taints and Unschedulable. Somebody closed it for a reason: ask before opening it.",
  },
  "network/cluster-dns": {
    means: "The application does not find its database, so people cannot log in.",
    look: "kubectl -n kube-system get pods -l k8s-app=kube-dns, then kubectl -n kube-system logs -l k8s-app=kube-dns.",
  },
  "registry/no-such-name": {
    means: "People notice nothing. Setup and updates cannot begin, and an image that is lost cannot be pulled again.",
    look: "The spelling of the registry's name, then resolvectl query <registry> and resolvectl status on the box.",
  },
  "registry/refused": {
    means: "People notice nothing. Setup and updates cannot begin.",
    look: "From the box: curl -v https://<registry>/v2/. A refusal at once means a wrong port, a registry that is down, or a firewall that refuses.",
  },
  "registry/no-answer": {
    means: "People notice nothing. Setup and updates cannot begin, and wait for the registry in vain.",
    look: "From the box: curl -v https://<registry>/v2/. Silence means that packets are dropped on the way; ask who runs the firewall.",
  },
  "registry/certificate": {
    means:
      "People notice nothing. Setup and updates stop, because a registry that cannot prove its name is not believed.",
    look: "Who signed the certificate: openssl s_client -connect <registry>:443 -showcerts. A name of your own company there is a proxy in between.",
  },
  "registry/denied": {
    means: "People notice nothing. Setup and updates cannot begin.",
    look: "Whether the user name or token is spelled right, has ended, or may read this repository.",
  },
  "registry/broken": {
    means: "People notice nothing. Setup and updates cannot begin.",
    look: "What answers: curl -v https://<registry>/v2/. A page in HTML is a proxy or a login page of the network, not a registry.",
  },
  "flux/missing": {
    means: "What runs goes on. Nothing that is changed or removed is put back, and updates do not arrive.",
    look: "kubectl get namespace flux-system and kubectl get crd | grep fluxcd: somebody removed it, or the cluster is not the one you mean.",
  },
  "flux/controllers-not-ready": {
    means: "What runs goes on. Updates do not arrive until the controllers run.",
    look: "kubectl -n flux-system get pods, then kubectl -n flux-system describe pods for the reason.",
  },
  "flux/source-unauthorized": {
    means: "What runs goes on. The next release does not arrive.",
    look: "The message of the registry: kubectl -n flux-system describe ocirepository. Credentials end; look when yours were made.",
  },
  "flux/source-not-found": {
    means: "What runs goes on. This release cannot be installed from this registry.",
    look: "The name and digest in the evidence. With a mirror: whether the release was copied to it completely.",
  },
  "flux/source-digest": {
    means:
      "What runs goes on; the wrong bytes are not used. Somebody or something between you and the publisher changes what you receive.",
    look: "Which registry or mirror answered, and both digests in the evidence. Keep them: the publisher needs them.",
  },
  "flux/source-certificate": {
    means: "What runs goes on. The next release does not arrive.",
    look: "The words in the evidence: ended, for another name, or signed by an authority that Flux was not given.",
  },
  "flux/source-network": {
    means: "What runs goes on. The next release arrives as soon as the registry can be reached.",
    look: "Whether the box itself reaches it: curl -v https://<registry>/v2/. If so, pods have another way out: a proxy, or the name service of the cluster.",
  },
  "flux/source-not-ready": {
    means: "What runs goes on. The next release does not arrive.",
    look: "kubectl -n flux-system describe ocirepository: its last message is the evidence, and its events show what came before.",
  },
  "storage/no-default-class": {
    means: "Parts that keep data do not start. During setup, the installation waits here.",
    look: "kubectl get storageclass: exactly one line ends its name with (default) on a box in order.",
  },
  "storage/class-missing": {
    means: "The part that asks for the class does not start, and what needs that part does not either.",
    look: "kubectl get storageclass against the class that the evidence names. A changed spelling is the usual cause.",
  },
  "storage/claim-unbound": {
    means: "The part that needs the volume does not start. No data is lost.",
    look: "kubectl -n <namespace> describe pvc <name>: its events carry the reason of what makes the volumes. Then the room on the disk.",
  },
  "storage/claim-lost": {
    means: "The part that kept its data there is down, and that data may be gone.",
    look: "kubectl get pv, and the folder of the volume on the disk. Change nothing before you know whether the data is still there.",
  },
  "storage/claim-missing": {
    means:
      "The part that mounts the claim does not start. If somebody removed the claim, its data may be gone with it.",
    look: "kubectl get pv: a volume in the state Released still has the data. Restore first, create after.",
  },
  "host/kubernetes-stopped": {
    means: "Nothing of the product runs, or what still runs can no longer be seen or mended.",
    look: "Why it has stopped: systemctl status k3s, then journalctl -u k3s --since -30min. A full disk and a wrong clock are the usual causes.",
  },
  "host/disk-failing": {
    means: "Everything works still. When the disk fails, the data on it are lost unless there is a backup.",
    look: "What the disk says of itself: smartctl -a on the device that the evidence names.",
  },
  "network/name-servers": {
    means: "People who are logged in go on working. Updates, mail and whatever else leaves the box stop.",
    look: "Which name servers are set and whether they answer: resolvectl status, then resolvectl query with a name that you know.",
  },
  "network/name-elsewhere": {
    means: "People who type the name reach another machine and cannot log in there.",
    look: "What the name servers of your people say: nslookup with the name, from a laptop. A proxy at the other address must lead to this box.",
  },
} as const satisfies Readonly<Record<string, GuideWords>>;
