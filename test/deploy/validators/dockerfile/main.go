// Puts a Dockerfile through BuildKit's own frontend, all of its lint rules on, up to the graph that a builder would
// run. Base images are not asked for: they are taken to be Linux images with a PATH.
//
// Prints the configuration of the image as JSON; complaints go to stderr and make it exit with 1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

var platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

type offline struct{}

func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{
		Platform: platform,
		Config:   ocispecs.ImageConfig{Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
	})
	return ref, digest.FromBytes(config), config, err
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dockerfile FILE")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	warnings := 0
	result, err := dockerfile2llb.Dockerfile2LLB(context.Background(), text, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{LinterConfig: &linter.Config{ExperimentalAll: true}},
		TargetPlatform: &platform,
		MetaResolver:   offline{},
		SourceMap:      llb.NewSourceMap(nil, file, "Dockerfile", text),
		Warn: func(rule, description, _, message string, _ []parser.Range) {
			fmt.Fprintf(os.Stderr, "%s: %s: %s (%s)\n", file, rule, message, description)
			warnings++
		},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if _, err := result.State.Marshal(context.Background(), llb.LinuxAmd64); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result.Image.Config); err != nil {
		return err
	}
	if warnings > 0 {
		return errors.New("a Dockerfile must be free of warnings")
	}
	return nil
}
