// Loads compose files as the docker compose command does, with the reference implementation of the Compose
// Specification: schema, interpolation, merge, consistency. No variable of the caller's environment has an effect,
// and one that the files want and nobody sets is a complaint.
//
// Prints the project as JSON; complaints go to stderr and make it exit with 1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/sirupsen/logrus"
)

// What the loader only warns of is wrong here.
type warnings struct{ count int }

func (w *warnings) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

func (w *warnings) Fire(*logrus.Entry) error {
	w.count++
	return nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: compose FILE...")
		os.Exit(2)
	}
	if err := check(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(files []string) error {
	seen := &warnings{}
	logrus.AddHook(seen)
	directory, err := filepath.Abs(filepath.Dir(files[0]))
	if err != nil {
		return err
	}
	options, err := cli.NewProjectOptions(files,
		cli.WithWorkingDirectory(directory),
		cli.WithInterpolation(true),
		cli.WithNormalization(true),
		cli.WithConsistency(true),
		cli.WithResolvedPaths(true),
		cli.WithDefaultProfiles("*"),
	)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	if seen.count > 0 {
		return errors.New("a compose file must load without a warning")
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}
