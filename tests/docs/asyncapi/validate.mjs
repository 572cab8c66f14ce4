// Prints what the official parser finds wrong with an AsyncAPI document, as JSON: severity 0 is an error, 1 a warning.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, path] = process.argv.slice(2);
const { Parser } = createRequire(`${folder}/`)("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf-8"), { source: path });
const found = diagnostics.map(({ severity, message, path }) => ({ severity, message, path: path.join(".") }));
const channels = document ? document.channels().all().map((channel) => channel.address()) : [];
console.log(JSON.stringify({ version: document?.version(), channels, found }));
