//go:build tools

// Package lab names the commands that the lab builds from their modules.
package lab

import (
	_ "github.com/google/go-containerregistry/cmd/crane"
)
