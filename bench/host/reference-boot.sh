#!/bin/bash
# The sequence of child processes by which the appliance before this one came up, step by step and poll by poll, on the same box with
# the same images: k3s' unit, wait for its API (every 3 s), import of each archive, storage, namespace, choice of the image, control
# plane. Token, banner and the question to the registry are processes of Node, as they were: reference-host.mjs.
set -eu
ROOT=/opt/alga-appliance STATE=/var/lib/alga-appliance KUBECONFIG=/etc/rancher/k3s/k3s.yaml
export KUBECONFIG
systemd-tmpfiles --create /usr/lib/tmpfiles.d/alga-appliance.conf
mkdir -p /etc/rancher/k3s/config.yaml.d
chown -R 10001:10001 "$STATE"
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
k3s kubectl apply -f "$ROOT/storage.json" || true
k3s kubectl apply -f "$ROOT/control-plane/namespace.yaml"
# With a registry away it takes the image of the ISO.
node /usr/local/lib/reference-host.mjs resolve || true
k3s kubectl -n alga-appliance-control-plane get deployment appliance-control-plane -o jsonpath='{.spec}' > /dev/null 2>&1 || true
k3s ctr images list -q | grep -q localhost/alga-appliance-control-plane:baked
k3s kubectl apply -f "$ROOT/control-plane/rbac.yaml" -f "$ROOT/control-plane/workload.yaml"
