/** Defaults within a pod: containers, probes, volumes, references. */
import { isPlainObject } from "../../core/json.ts";
import { listAt } from "../../kube/model.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Fills in what is absent in the specification of a pod. Safe to call again. */
export function podSpec(value: unknown): unknown {
  if (!isPlainObject(value)) return value;
  return {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
    securityContext: {},
    ...value,
    ...(value.serviceAccountName === undefined ? {} : { serviceAccount: value.serviceAccountName }),
    ...eachOf(value, "containers", container),
    ...eachOf(value, "initContainers", container),
    ...eachOf(value, "volumes", volume),
  };
}

function eachOf(spec: Fields, name: string, change: (item: Fields) => Fields): Fields {
  if (!Array.isArray(spec[name])) return {};
  return { [name]: listAt(spec, name).map((item) => (isPlainObject(item) ? change(item) : item)) };
}

function container(value: Fields): Fields {
  const image = String(value.image ?? "");
  const isLatest = image.endsWith(":latest") || !/[:@][^/]*$/.test(image);
  return {
    imagePullPolicy: isLatest ? "Always" : "IfNotPresent",
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    resources: {},
    ...value,
    ...eachOf(value, "ports", (port) => ({ protocol: "TCP", ...port })),
    ...eachOf(value, "env", variable),
    ...probesOf(value),
  };
}

function variable(value: Fields): Fields {
  const from = value.valueFrom;
  if (!isPlainObject(from)) return value;
  const valueFrom = {
    ...from,
    ...(isPlainObject(from.fieldRef) ? { fieldRef: { apiVersion: "v1", ...from.fieldRef } } : {}),
    ...(isPlainObject(from.resourceFieldRef) ? { resourceFieldRef: { divisor: "0", ...from.resourceFieldRef } } : {}),
  };
  return { ...value, valueFrom };
}

function probesOf(value: Fields): Fields {
  const names = ["livenessProbe", "readinessProbe", "startupProbe"].filter((name) => isPlainObject(value[name]));
  return Object.fromEntries(names.map((name) => [name, probe(value[name])]));
}

function probe(value: unknown): unknown {
  if (!isPlainObject(value)) return value;
  const http = isPlainObject(value.httpGet) ? { httpGet: { path: "/", scheme: "HTTP", ...value.httpGet } } : {};
  return { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3, ...value, ...http };
}

/** 0o644, as the kubelet lays files down. */
const FILE_MODE = 420;

function volume(value: Fields): Fields {
  const sources = ["configMap", "secret", "downwardAPI", "projected"].filter((name) => isPlainObject(value[name]));
  const modes = Object.fromEntries(
    sources.map((name) => [name, { defaultMode: FILE_MODE, ...(value[name] as Fields) }] as const),
  );
  const host = isPlainObject(value.hostPath) ? { hostPath: { type: "", ...value.hostPath } } : {};
  return { ...value, ...modes, ...host };
}
