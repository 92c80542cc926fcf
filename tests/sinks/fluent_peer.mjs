// A server of Fluent's forward protocol that we did not write: FluentServer of @fluent-org/logger, with what it receives
// written to stdout, one JSON line an event. Usage: node fluent_peer.mjs '{"tls":{"key":…,"cert":…},"security":{…}}'
// with paths under tls. The first line holds the port. It ends when stdin does.
import {createRequire} from "node:module";
import {readFileSync} from "node:fs";
import path from "node:path";

const modules = process.env.STANDPIPE_TEST_PEERS;
const {FluentServer, EventTime} = createRequire(path.join(modules, "index.js"))("@fluent-org/logger");
const asked = JSON.parse(process.argv[2] ?? "{}");
const options = {listenOptions: {port: 0, host: "127.0.0.1"}, security: asked.security};
if (asked.tls) {
  options.tlsOptions = {key: readFileSync(asked.tls.key), cert: readFileSync(asked.tls.cert)};
}
const say = value => process.stdout.write(JSON.stringify(value) + "\n");

const server = new FluentServer(options);
server.on("entry", (tag, time, record) => {
  const isEventTime = time instanceof EventTime;
  say({tag, isEventTime, seconds: time.epoch, nanoseconds: time.nano, record});
});
await server.listen();
say({port: server.port});
process.stdin.resume();
process.stdin.on("end", () => process.stdout.write("", () => process.exit(0))); // after all that was written before
