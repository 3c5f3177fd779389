// Writes what Go's text/template makes of each template of the table, the way the original command line calls it:
//
//	go run cases.go < cases.txt > expected.jsonl
//
// cases.txt holds one template a line; \n, \t and \\ stand for the characters. The data is the same for all of them.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"text/template"
)

var data = map[string]string{
	"name": "World", "greeting": "Hello", "empty": "", "start-time": "-5m", "count": "3", "text": "a \"b\" <c> & 'd'",
}

var place = regexp.MustCompile(`^template: :(\d+):`)

type outcome struct {
	Template string `json:"template"`
	Output   string `json:"output"`
	// Line of the first mistake, empty where there is none, "?" where Go names none.
	Line string `json:"line"`
}

func run(text string) outcome {
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	var output strings.Builder
	if err == nil {
		err = parsed.Execute(&output, data)
	}
	if err == nil {
		return outcome{Template: text, Output: output.String(), Line: ""}
	}
	line := "?"
	if found := place.FindStringSubmatch(err.Error()); found != nil {
		line = found[1]
	}
	return outcome{Template: text, Output: "", Line: line}
}

func main() {
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		if err := encoder.Encode(run(unescape.Replace(scanner.Text()))); err != nil {
			panic(err)
		}
	}
}
