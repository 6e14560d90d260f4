package blockio_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSeedTable: testdata/README.md names, for each statement of the service's
// document, tests and files that exist, and no test of a statement or golden
// file is left out.
func TestSeedTable(t *testing.T) {
	page, err := os.ReadFile("testdata/README.md")
	require.NoError(t, err)
	var sources strings.Builder
	for _, pattern := range []string{"*_test.go", "blockiotest/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			sources.Write(source)
		}
	}
	_, table, found := strings.Cut(string(page), "## Where the document is tested")
	require.True(t, found)
	_, rows, found := strings.Cut(table, "|---|---|\n")
	require.True(t, found)
	named := map[string]bool{}
	for row := range strings.Lines(rows) {
		tests := regexp.MustCompile(`Test[A-Za-z0-9]+`).FindAllString(row, -1)
		require.NotEmpty(t, tests, row)
		for _, test := range tests {
			require.Contains(t, sources.String(), "func "+test+"(", row)
			named[test] = true
		}
	}
	for _, test := range regexp.MustCompile(`func (TestSeed[A-Za-z0-9]+)\(`).FindAllStringSubmatch(sources.String(), -1) {
		require.True(t, named[test[1]] || test[1] == "TestSeedTable", "%s is not in the table", test[1])
	}
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, 12)
	for _, file := range files {
		require.Contains(t, string(page), "| "+filepath.Base(file)+" |")
	}
}
