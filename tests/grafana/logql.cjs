// Parses LogQL by Grafana's own grammar. Reads a JSON list of queries from stdin, writes those with
// errors as a JSON list.
const { readFileSync } = require("node:fs");
const { parser } = require("@grafana/lezer-logql");

function isBroken(query) {
  let broken = false;
  parser.parse(query).iterate({
    enter(node) {
      broken ||= node.type.isError;
    },
  });
  return broken;
}

const queries = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(queries.filter(isBroken)));
