/** Samples of the page that shows every part; only the rehearsal has it. */
export const KIT = {
  "kit.sentence": "People cannot log in: one image of release 1.0.3 is missing",
  "kit.line":
    "The platform and the database are fine. The application waits for an image that the registry does not have.",
  "kit.command": "Look at the pods: kubectl -n msp get pods",
  "kit.wrong": "psa.example.con is not known to your DNS. Did you mean psa.example.com?",
  "kit.states": "States",
  "kit.inputs": "Inputs",
  "kit.data": "Data",
  "kit.notes": "Notes",
  "kit.plot": "Disk in use",
  "kit.table": "Pods",
  "kit.log": "Log",
} as const;
