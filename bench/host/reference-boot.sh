#!/bin/bash
# The sequence of child processes by which the appliance before this one came up, step by step and poll by poll, on the same box with
# the same images: token, unit of k3s, wait for the API (every 3 s), import of each archive, apply, then the banner.
set -eu
ROOT=/opt/alga-appliance STATE=/var/lib/alga-appliance KUBECONFIG=/etc/rancher/k3s/k3s.yaml
export KUBECONFIG
systemd-sysusers /usr/lib/sysusers.d/alga-appliance.conf
systemd-tmpfiles --create /usr/lib/tmpfiles.d/alga-appliance.conf
mkdir -p "$STATE" /etc/rancher/k3s/config.yaml.d
[ -e "$STATE/setup-token" ] || {
  openssl rand -hex 10 | tr a-f 0-5 | sed 's/..../&-/g; s/-$//' > "$STATE/setup-token"
  chown -R 10001:10001 "$STATE"
}
cp "$ROOT/bin/k3s" /usr/local/bin/k3s
printf 'disable:\n  - local-storage\n' > /etc/rancher/k3s/config.yaml.d/20-alga-local-storage.yaml
cat > /etc/systemd/system/k3s.service <<'UNIT'
[Service]
Type=notify
KillMode=process
Delegate=yes
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s server
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now k3s
until k3s kubectl get --raw /readyz > /dev/null 2>&1; do sleep 3; done
for archive in "$ROOT"/images/*.tar "$ROOT"/control-plane/images/*.tar; do k3s ctr images import "$archive"; done
k3s kubectl apply -f "$ROOT/control-plane/namespace.yaml"
# It asks the channel for its image for at most 8 s; with a registry away it takes the one of the ISO.
curl -s -m 8 https://ghcr.io/v2/ > /dev/null || true
k3s kubectl -n alga-appliance-control-plane get deployment appliance-control-plane -o jsonpath='{.spec}' > /dev/null 2>&1 || true
k3s ctr images list -q | grep -q localhost/alga-appliance-control-plane:baked
k3s kubectl apply -f "$ROOT/control-plane/rbac.yaml" -f "$ROOT/control-plane/workload.yaml"
address=$(hostname -I | cut -d' ' -f1)
printf '\033[H\033[J Setup: http://%s:8080/\n\n Setup token: %s\n' "$address" "$(cat "$STATE/setup-token")" > /dev/tty1
