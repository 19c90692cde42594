/** Images that the appliance itself starts on a box, whatever the release: a release that is to be installed without a network lists them. */

/** Of the storage provisioner, where a cluster has none. @see rancher/local-path-provisioner v0.0.31 */
export const STORAGE_IMAGES = {
  provisioner: "docker.io/rancher/local-path-provisioner:v0.0.31",
  helper: "docker.io/library/busybox:1.37",
} as const;
