// The server of the case overload in Node: /plain from the main thread, /heavy (PBKDF2) from
// a pool of worker threads with a queue. Arguments: 127.0.0.1:PORT THREADS QUEUE ITERATIONS; a QUEUE of 0
// has no bound, otherwise what does not fit is refused with 503.
"use strict";
const { pbkdf2Sync } = require("node:crypto");
const { Worker, isMainThread, parentPort, workerData } = require("node:worker_threads");

function work() {
	parentPort.on("message", () => {
		parentPort.postMessage(pbkdf2Sync("x", "y", workerData, 32, "sha256").toString("hex"));
	});
}

// First come, first served; the queue is a list with a moving head, as shift() copies long ones.
class Pool {
	constructor(threads, bound, iterations) {
		this.bound = bound || Infinity;
		this.idle = [];
		this.queue = new Map();
		this.first = this.last = 0;
		for (let i = 0; i < threads; i++)
			this.idle.push(new Worker(__filename, { workerData: iterations }));
	}

	ask(done) {
		if (this.idle.length > 0)
			this.run(this.idle.pop(), done);
		else if (this.queue.size < this.bound)
			this.queue.set(this.last++, done);
		else
			return false;
		return true;
	}

	run(worker, done) {
		worker.once("message", (key) => {
			const next = this.queue.get(this.first);
			if (next) {
				this.queue.delete(this.first++);
				this.run(worker, next);
			} else {
				this.idle.push(worker);
			}
			done(key);
		});
		worker.postMessage(0);
	}
}

function answer(response, status, text) {
	response.writeHead(status, { "Content-Type": "text/plain", "Content-Length": text.length });
	response.end(text);
}

function serve(address, numbers) {
	const [host, port] = address.split(":");
	const pool = new Pool(...numbers);
	const server = require("node:http").createServer((request, response) => {
		if (request.url !== "/heavy")
			answer(response, 200, "Hello.\n");
		else if (!pool.ask((key) => answer(response, 200, key)))
			answer(response, 503, "busy\n");
	});
	server.keepAliveTimeout = 0;
	server.listen({ port: Number(port), host, backlog: 4096 });
}

if (isMainThread)
	serve(process.argv[2], process.argv.slice(3).map(Number));
else
	work();
