//go:build tools

// Package lab names the commands that the lab builds from their modules.
package lab

import (
	_ "github.com/sigstore/cosign/v3/cmd/cosign"
)
