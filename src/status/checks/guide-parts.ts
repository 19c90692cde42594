/** The operator guide's words on the checks of images, pods, workloads, Helm, Kustomizations, the login page and operations. */
import type { GuideWords } from "./guide-words.ts";

export const PART_WORDS = {
  "image/disk-full": {
    means: "The part with this image does not start. The database is next to suffer when the disk stays full.",
    look: "df -h on the box. Images need room twice while they are unpacked.",
  },
  "image/digest": {
    means: "The part with this image does not start; the wrong bytes are not run.",
    look: "Which registry or mirror sent the image, and the digests in the evidence. Keep them for the publisher.",
  },
  "image/rate-limited": {
    means: "The part with this image starts later. Nothing is broken.",
    look: "The words of the registry in the evidence. Boxes behind one address share one limit.",
  },
  "image/not-found": {
    means: "The part with this image does not start. After an update, the version before may go on serving.",
    look: "The name of the image in the evidence. With a mirror: whether the release was copied to it completely.",
  },
  "image/unauthorized": {
    means: "The part with this image does not start. After an update, the version before may go on serving.",
    look: "Whether the credentials have ended, and whether they may read this very repository: some registries answer so for a name that does not exist.",
  },
  "image/certificate": {
    means: "The part with this image does not start.",
    look: "The words in the evidence: ended, not yet valid, or signed by an authority that the box does not know. A wrong clock looks the same.",
  },
  "image/registry-name": {
    means: "The part with this image does not start.",
    look: "resolvectl query <registry> and resolvectl status on the box: pulls use the name servers of the box, not those of the cluster.",
  },
  "image/network": {
    means: "The part with this image starts when the registry can be reached again.",
    look: "From the box: curl -v https://<registry>/v2/. Behind a proxy: whether Kubernetes was told of it, in the environment of k3s.",
  },
  "image/invalid-name": {
    means: "The part with this image cannot start with this release.",
    look: "The name in the evidence: a space, a capital letter or a missing part. Values of your own may have brought it in.",
  },
  "image/pull-failed": {
    means: "The part with this image does not start.",
    look: "kubectl -n <namespace> describe pod <pod>, under Events: the whole sentence of the container runtime.",
  },
  "pod/out-of-memory": {
    means: "This part goes away for some seconds each time; people who use it then see an error.",
    look: "How much it may use and uses: kubectl -n <namespace> describe pod <pod>, kubectl -n <namespace> top pod <pod>.",
  },
  "pod/config-missing": {
    means: "This part does not start until the named settings are there.",
    look: "kubectl -n <namespace> get configmaps,secrets against the name in the evidence: removed by hand, or never made.",
  },
  "pod/start-failed": {
    means: "This part does not run. After an update, the version before may go on serving.",
    look: "kubectl -n <namespace> describe pod <pod>: the runtime's sentence names the program, the mount or the permission.",
  },
  "pod/mount-failed": {
    means: "This part does not start until its volume, Secret or ConfigMap can be mounted.",
    look: "kubectl -n <namespace> describe pod <pod>, under Events. Still attached to an old pod: wait some minutes for it to end.",
  },
  "pod/no-network": {
    means: "This part does not start. Others that start later will most likely not start either.",
    look: "journalctl -u k3s --since -10min for the words cni and sandbox, and the free addresses of the pod network.",
  },
  "pod/unschedulable": {
    means: "This part does not run. The box is usually too small for it, or closed.",
    look: "kubectl describe node, under Allocated resources and Taints, beside what the pod asks for.",
  },
  "pod/evicted": {
    means: "This part is gone until there is room again.",
    look: "kubectl -n <namespace> describe pod <pod>: it says whether memory or disk was short, and who used most.",
  },
  "pod/stuck-terminating": {
    means: "The new pod waits for the old one, so an update or a restart of this part does not end.",
    look: "kubectl -n <namespace> describe pod <pod>, under Finalizers and Events. Do not force its end while it holds the database's volume.",
  },
  "bootstrap/failed": {
    means: "Nobody can log in: the first tenant does not exist or is not whole.",
    look: "kubectl -n msp logs job/alga-core-sebastian-bootstrap. The first line that names an error counts, not the last.",
  },
  "bootstrap/retrying": {
    means: "Nobody can log in yet. The first try often comes before the database is ready.",
    look: "The last lines of the try before, in the evidence. The same line at every try is a cause that will not go away.",
  },
  "bootstrap/slow": {
    means: "Nobody can log in yet. A slow disk makes the job long; a job that says nothing new is stuck.",
    look: "Whether its log still moves, and the load of the box by uptime.",
  },
  "pod/crash-loop": {
    means: "This part is away, or comes and goes.",
    look: "kubectl -n <namespace> logs <pod> --previous: the words before its last end. Exit code 137 is a stop from outside, often memory.",
  },
  "pod/not-answering": {
    means: "No requests are sent to this part, so for people it is away although it runs.",
    look: "kubectl -n <namespace> describe pod <pod>, under Events, for the probe's words, then the log of the container.",
  },
  "pod/init-waiting": {
    means: "This part starts when the one that it waits for answers.",
    look: "kubectl -n <namespace> logs <pod> -c <first container>: it names what it waits for. Mend that one.",
  },
  "workload/missing": {
    means: "This part of the product is away.",
    look: "kubectl -n <namespace> get deployments,statefulsets: somebody removed it by hand, since Helm does not know that it is gone.",
  },
  "workload/stalled": {
    means: "The new version of this part does not come up. The version before may go on serving.",
    look: "kubectl -n <namespace> get pods and the events of the newest one.",
  },
  "workload/slow": {
    means: "This part does not serve, and Kubernetes sees no fault: the program itself starts slowly or hangs.",
    look: "The end of its log on the page of the component, and the load of the box.",
  },
  "flux/helm-missing": {
    means: "This part of the product is not installed, or is no longer looked after.",
    look: "kubectl get helmreleases -A, and kubectl -n flux-system get kustomizations: all should be ready.",
  },
  "flux/helm-values-missing": {
    means: "What runs goes on. This part is neither installed nor updated.",
    look: "kubectl -n alga-system describe helmrelease <name>, under Values From, and whether each named object exists.",
  },
  "flux/helm-chart-missing": {
    means: "What runs goes on. This part is neither installed nor updated.",
    look: "kubectl -n alga-system describe helmrelease <name>, and kubectl get helmcharts,ocirepositories -A for the words of the registry.",
  },
  "flux/helm-pending": {
    means: "What runs goes on. This part is neither installed nor updated while the old run blocks it.",
    look: "kubectl -n <namespace> get secrets -l owner=helm --show-labels. Remove only the newest, whose status is pending; never one that is deployed.",
  },
  "flux/helm-rolled-back": {
    means: "People work with the version before. What the update promised is not there.",
    look: "kubectl -n alga-system describe helmrelease <name>: the message before the one about the rollback is the cause.",
  },
  "flux/helm-retries-exhausted": {
    means: "This part stays as it is, installed or not, until somebody acts.",
    look: "kubectl -n alga-system describe helmrelease <name>: the cause of the last try. A failing pod of this part tells more.",
  },
  "flux/helm-install-failed": {
    means: "This part of the product is not there yet.",
    look: "The pods of this part first: a run of Helm that ends with a timeout only says that one of them did not become ready.",
  },
  "flux/helm-upgrade-failed": {
    means: "This part runs in the version before, or half in each.",
    look: "The pods of this part first: a run of Helm that ends with a timeout only says that one of them did not become ready.",
  },
  "flux/helm-not-ready": {
    means: "This part may be missing, old or well: Flux cannot vouch for it.",
    look: "kubectl -n alga-system describe helmrelease <name>, its conditions and events.",
  },
  "flux/helm-dependency": {
    means: "This part is installed when the one before it is ready.",
    look: "The component that the evidence names; its own check has the cause.",
  },
  "flux/kustomization-build": {
    means: "What runs goes on. This release cannot be installed.",
    look: "kubectl -n flux-system describe kustomization <name>: it names the file that is wrong.",
  },
  "flux/kustomization-source": {
    means: "What runs goes on. What is new in the release does not arrive.",
    look: "kubectl -n flux-system get ocirepositories: the source must be ready first.",
  },
  "flux/kustomization-health": {
    means: "A part of the product was brought to the cluster and does not work.",
    look: "The component that has failed, on the page Components; its pods carry the cause.",
  },
  "flux/kustomization-prune": {
    means: "People notice nothing. Parts of an old release stay beside the new one.",
    look: "kubectl -n <namespace> get <kind> <name> -o yaml, under finalizers. Do not take a finalizer away before you know whose it is.",
  },
  "flux/kustomization-validation": {
    means: "What runs goes on. The refused part of this release is not installed.",
    look: "The object and field in the evidence. An older Kubernetes than the release wants refuses fields that it does not know.",
  },
  "flux/kustomization-not-ready": {
    means: "A part of the release may be missing or old: Flux cannot vouch for it.",
    look: "kubectl -n flux-system describe kustomization <name>, its conditions and events.",
  },
  "flux/kustomization-dependency": {
    means: "This part of the release is applied when the one before it is ready.",
    look: "The Kustomization that the evidence names; its own check has the cause.",
  },
  "flux/suspended": {
    means: "What runs goes on. Updates and repairs pass this part by.",
    look: "Who stopped it, and why: the object carries spec.suspend: true. Ask before letting it go on.",
  },
  "login/certificate": {
    means: "Browsers warn people, or do not let them in at all.",
    look: "openssl s_client -connect <name>:443 -servername <name>: the dates, the names and who signed it.",
  },
  "login/certificate-ends": {
    means: "Everything works still. After the day in the evidence, browsers turn people away.",
    look: "Who renews the certificate: a person, or a program on the proxy that has stopped doing so.",
  },
  "login/name-not-resolved": {
    means: "People who type the name do not reach the product. By the address of the box it may still answer.",
    look: "resolvectl query <name> on the box, and nslookup <name> on a computer of the people concerned: the two may ask different servers.",
  },
  "login/refused": {
    means: "Nobody can log in.",
    look: "kubectl -n msp get pods, and on the proxy whether it runs and listens on the port in the evidence.",
  },
  "login/no-answer": {
    means: "Nobody can log in, or only after a very long wait.",
    look: "The log of the application on the page of its component, the load of the box by uptime, and a firewall that drops packets.",
  },
  "login/server-error": {
    means: "Nobody can log in.",
    look: "The log of the application on the page of its component. 502, 503 and 504 come mostly from a proxy that does not reach it.",
  },
  "login/client-error": {
    means: "People see a page that does not exist, or are turned away.",
    look: "The address in the evidence, as people type it, and the rules of the proxy for this name.",
  },
  "login/redirect-loop": {
    means: "Browsers give up with a message about too many redirects, so nobody can log in.",
    look: "Whether the proxy passes on X-Forwarded-Proto, and whether the application address begins with https.",
  },
  "login/foreign-redirect": {
    means: "People end on another site. Let nobody type a password there before you know whose it is.",
    look: "The address in the evidence to which it leads, and who owns it.",
  },
  "login/wrong-page": {
    means: "People see some page, and no way to log in.",
    look: "Open the address in a browser: it shows who answers.",
  },
  "login/broken": {
    means: "Nobody can log in by this address.",
    look: "curl -v <address>. A port for https that is asked by http, or the other way round, looks like this.",
  },
  "operation/blocked": {
    means: "During setup nobody can log in yet. During an update the version before mostly goes on serving.",
    look: "The page Operations: the step it stopped at, its cause and its journal.",
  },
  "operation/waiting": {
    means: "The operation takes longer. Nothing is lost.",
    look: "The page Operations: what the step waits for, and when it is tried again.",
  },
  "operation/paused": {
    means: "What is installed goes on as it is. Nothing else may be changed until it goes on or is stopped.",
    look: "The page Operations: the step before which it stands, with the buttons that let it go on or stop it.",
  },
  "flux/chart-not-fetched": {
    means:
      "What is installed goes on. The component of this chart cannot be installed or updated until the chart comes.",
    look: "The message in the evidence tells whether the registry denies the chart, does not have it or cannot be reached.",
  },
  "workload/job-failed": {
    means: "What the job should have done has not been done; an update often waits for it.",
    look: "The end of the log in the evidence; the whole log on the page Components.",
  },
  "workload/daemon-not-ready": {
    means: "Depends on the daemon: mostly a part of the network of one node does not work.",
    look: "The pods of the daemon and their events: kubectl -n kube-system get pods, then describe the one that does not run.",
  },
  "login/service-missing": {
    means: "Nobody can log in: the application runs, and nothing leads to it.",
    look: "Whether somebody removed it: kubectl -n msp get services. The history of the release tells whether an update renamed it.",
  },
  "release/control-plane-old": {
    means: "What is installed goes on working. The appliance may not understand everything of the release.",
    look: "The version of the control plane on the page Settings and the one that the evidence names.",
  },
} as const satisfies Readonly<Record<string, GuideWords>>;
