// The server of the case fanout in Node: GET / asks an upstream for four parts at once, over connections
// that are kept (fetch does so by itself), and joins them into one JSON object. Arguments: 127.0.0.1:PORT UPSTREAM PATH,
// where UPSTREAM is http://127.0.0.1:PORT.
"use strict";

const NAMES = ["p0", "p1", "p2", "p3"];

async function ask(url, signal) {
	const response = await fetch(url, { signal });
	if (!response.ok)
		throw new Error("not what was asked for");
	return response.json();
}

function answer(response, status, type, text) {
	response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(text) });
	response.end(text);
}

async function compose(url, response) {
	try {
		const signal = AbortSignal.timeout(5000);
		const parts = await Promise.all(NAMES.map(() => ask(url, signal)));
		answer(response, 200, "application/json", JSON.stringify(Object.fromEntries(NAMES.map((name, i) => [name, parts[i]]))));
	} catch {
		answer(response, 502, "text/plain", "a part failed\n");
	}
}

const [address, upstream, path] = process.argv.slice(2);
const [host, port] = address.split(":");
const server = require("node:http").createServer((request, response) => compose(upstream + path, response));
server.keepAliveTimeout = 0;
server.listen({ port: Number(port), host, backlog: 4096 });
