#!/bin/bash
# boot.sh TREE NAME [nspawn arguments...]: becomes systemd-nspawn with the tree's systemd as PID 1, in the foreground.
# The box gets a cgroup of its own in every v1 hierarchy, so that its pods never share /kubepods with another kubelet,
# and a mount namespace of its own, so that nothing stays mounted when it ends.
set -eu
tree=$1 name=$2
shift 2
for hierarchy in /sys/fs/cgroup/*/; do
  group=$hierarchy$name
  mkdir -p "$group"
  case $hierarchy in
  */cpuset/)
    cat /sys/fs/cgroup/cpuset/cpuset.cpus > "$group/cpuset.cpus"
    cat /sys/fs/cgroup/cpuset/cpuset.mems > "$group/cpuset.mems"
    echo 1 > "$group/cgroup.clone_children"
    ;;
  */memory/) echo 1 > "$group/memory.use_hierarchy" 2> /dev/null || true ;;
  esac
  echo $$ > "$group/cgroup.procs"
done
# With LAB_DISK a folder of the box (LAB_DISK_AT) is a disk of its own, small enough to be filled.
exec unshare -m sh -c 'mkdir -p /run/systemd/nspawn; mount -t tmpfs tmpfs /run/systemd
  folder=$1/${LAB_DISK_AT:-}; shift
  [ -z "${LAB_DISK:-}" ] || { mode=$(stat -c %a "$folder"); mount -o loop "$LAB_DISK" "$folder"; chmod "$mode" "$folder"; }
  exec "$@"' sh "$tree" \
  systemd-nspawn -q --register=no --keep-unit -D "$tree" -M "$name" --console=pipe --kill-signal=SIGRTMIN+3 \
  --resolv-conf=off --bind=/dev/kmsg --capability=CAP_SYSLOG --system-call-filter="add_key keyctl" "$@" \
  /usr/local/sbin/lab-init
