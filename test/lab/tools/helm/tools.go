//go:build tools

// Package lab names the commands that the lab builds from their modules.
package lab

import (
	_ "helm.sh/helm/v4/cmd/helm"
)
