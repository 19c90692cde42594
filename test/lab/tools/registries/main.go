// registries <registries.yaml> <folder>: reads k3s' file of registries with Rancher's own parser, and writes what containerd wants of
// it, a hosts.toml for each registry, as k3s does at its start.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rancher/wharfie/pkg/registries"
)

func main() {
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "registries:", err)
		os.Exit(1)
	}
}

func write(path, folder string) error {
	known, err := registries.GetPrivateRegistries(path)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for name := range known.Registry.Mirrors {
		names[name] = true
	}
	for name := range known.Registry.Configs {
		names[name] = true
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	for name := range names {
		text := "server = \"https://" + name + "\"\n"
		endpoints := known.Registry.Mirrors[name].Endpoints
		if len(endpoints) == 0 {
			endpoints = []string{"https://" + name}
		}
		for _, endpoint := range endpoints {
			text += hostOf(endpoint, known.Registry.Configs)
		}
		if err := os.MkdirAll(filepath.Join(folder, name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name, "hosts.toml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func hostOf(endpoint string, configs map[string]registries.RegistryConfig) string {
	_, host, _ := strings.Cut(endpoint, "://")
	host, _, _ = strings.Cut(host, "/")
	text := fmt.Sprintf("[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", endpoint)
	config := configs[host]
	if config.TLS != nil && config.TLS.CAFile != "" {
		text += fmt.Sprintf("  ca = %q\n", config.TLS.CAFile)
	}
	if config.Auth != nil {
		// k3s hands the login to containerd's CRI; by this header ctr has it too.
		login := base64.StdEncoding.EncodeToString([]byte(config.Auth.Username + ":" + config.Auth.Password))
		text += fmt.Sprintf("  [host.%q.header]\n    authorization = \"Basic %s\"\n", endpoint, login)
	}
	return text
}
